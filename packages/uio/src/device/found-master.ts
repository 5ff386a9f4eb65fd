import type { Kernel } from '@linux-dma/core'
import { readPciCommand } from '@linux-dma/pci'
import type { UioDeviceInfo } from '../discovery/uio-device-info'

/** Of whose devices the kernel turns bus mastering off itself when they are closed: it is nobody's else. */
export const MASTER_IS_OURS = 'uio_pci_generic'

/**
 * Whether a driver of the kernel has turned bus mastering on, whose business it is. Of uio_pci_generic that says nothing: it never
 * does, and firmware may have left it so.
 */
export function foundMasterOn(kernel: Kernel, { pci, driver }: UioDeviceInfo): boolean {
  if (pci === undefined || driver === MASTER_IS_OURS) return false
  try {
    return readPciCommand(kernel, pci.address).busMaster
  } catch {
    // What cannot be read is not relied upon; that the device has gone is noticed next.
    return false
  }
}
