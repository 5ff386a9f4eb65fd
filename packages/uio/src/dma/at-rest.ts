import { readPciCommand } from '@linux-dma/pci'
import type { UioConnection } from '../device/connection'

/** The kernel turns bus mastering off when its last descriptor is closed, and when it is unbound. */
const STOPS_ITS_DEVICE = 'uio_pci_generic'

/**
 * Why a device may go on with transfers although the program has closed it; undefined where something proves that it does not: its
 * own configuration space, or a driver that disables what it lets go of. To read configuration space also waits for what the
 * device had written on its way.
 */
export function whyNotAtRest(connection: UioConnection): string | undefined {
  const { info, kernel } = connection
  if (info.pci === undefined) return 'it is no PCI device, and nothing but its registers stops it'
  if (!connection.present() && info.driver === STOPS_ITS_DEVICE) return undefined
  return isMaster(kernel, info.pci.address) ? 'its bus mastering could not be turned off' : undefined
}

function isMaster(kernel: UioConnection['kernel'], address: string): boolean {
  try {
    return readPciCommand(kernel, address).busMaster
  } catch {
    // What cannot be asked may be going on.
    return true
  }
}
