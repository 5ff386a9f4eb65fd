import { isDmaError } from '@linux-dma/core'
import { readPciCommand } from '@linux-dma/pci'
import type { UioConnection } from '../device/connection'

/**
 * How often the register of a device is looked at whose driver has gone: the kernel tells of that first, and disables the
 * device some microseconds later.
 */
const LOOKS = 50

/**
 * Why a device may go on with transfers although the program has closed it; undefined where something proves that it does not: its
 * own configuration space, or that the device itself has gone. That its driver has gone proves nothing: the kernel disables a device
 * with the last one of all who enabled it. To read configuration space also waits for what the device had written on its way.
 */
export function whyNotAtRest(connection: UioConnection): string | undefined {
  const { info, kernel } = connection
  if (info.pci === undefined) return 'it is no PCI device, and nothing but its registers stops it'
  const { address } = info.pci
  const looks = connection.present() ? 1 : LOOKS
  for (let look = 1; look <= looks; look++) if (!isMaster(kernel, address)) return undefined
  return 'its bus mastering could not be turned off'
}

function isMaster(kernel: UioConnection['kernel'], address: string): boolean {
  try {
    return readPciCommand(kernel, address).busMaster
  } catch (error) {
    // A device that was unplugged reaches nothing; what cannot be asked may be going on.
    return !isDmaError(error, 'ENOENT')
  }
}
