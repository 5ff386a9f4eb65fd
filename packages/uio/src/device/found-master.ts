import type { Kernel } from '@linux-dma/core'
import { readPciCommand } from '@linux-dma/pci'
import { UIO_PCI_GENERIC } from '../discovery/drivers'
import type { UioDeviceInfo } from '../discovery/uio-device-info'

/**
 * Whether a driver of the kernel has turned bus mastering on, whose business it is. Of uio_pci_generic that says nothing: it never
 * does, and firmware may have left it so.
 */
export function foundMasterOn(kernel: Kernel, { pci, driver }: UioDeviceInfo): boolean {
  if (pci === undefined || driver === UIO_PCI_GENERIC) return false
  try {
    return readPciCommand(kernel, pci.address).busMaster
  } catch {
    // What cannot be read is not relied upon; that the device has gone is noticed next.
    return false
  }
}
