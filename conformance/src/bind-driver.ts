import type { Kernel } from '@linux-dma/core'

/** Binds a PCI device to a driver, or to none, through sysfs: as a person would, with the same files. */
export function bindDriver(kernel: Kernel, address: string, driver: string | null): void {
  const folder = `/sys/bus/pci/devices/${address}`
  kernel.writeText(`${folder}/driver_override`, driver ?? '\n')
  try {
    kernel.writeText(`${folder}/driver/unbind`, address)
  } catch (error) {
    // Bound to nothing: then there is no such file.
    if ((error as { code?: string }).code !== 'ENOENT') throw error
  }
  if (driver) kernel.writeText('/sys/bus/pci/drivers_probe', address)
}
