import { assertOptions, DmaError, isDmaError, type Kernel, linuxKernel } from '@linux-dma/core'
import { assertLoaded, DriverBinding } from './driver-binding'
import { parsePciAddress } from './pci-address'
import { type PciDeviceInfo, readPciDevice } from './pci-device'

/** A file in /sys/bus/pci/drivers. There may be spaces in it, but the kernel cuts them off at the ends of what is written. */
const DRIVER_NAME = /^(?![\s.])[^/\p{Cc}]*[^/\s\p{Cc}]$/u

/**
 * Gives a PCI device to a driver of the kernel, or takes it from the one that has it. Mirrors `driver_override`, `unbind`
 * and `bind` in sysfs, which driverctl(8) writes too. Needs root, once: the driver in user space does not.
 *
 * Where the new driver refuses the device, the old one has it back. Unbinding a device that another process has open through
 * VFIO waits until that process closes it; one that this process has open is refused, since it would wait for ever.
 *
 * `driver_override` is left as it was found, which may be an administrator's `none`: it is set only while this runs.
 * @param address for example `0000:00:04.0`; the domain may be left out
 * @param driver its name in /sys/bus/pci/drivers, such as `uio_pci_generic` or `vfio-pci`; null: none
 * @returns the name of the driver that had the device before, to be given back later
 * @throws DMA_INVALID_ARGUMENT; DMA_NO_DEVICE; DMA_NO_DRIVER where the kernel has no such driver now; DMA_NOT_BOUND where it did
 *   not take the device; DMA_ALREADY_OPEN; EACCES and EROFS with the commands to run as root
 * @example
 * ```ts
 * const before = bindDriver('0000:00:04.0', 'uio_pci_generic', { kernel })
 * bindDriver('0000:00:04.0', before ?? null, { kernel })
 * ```
 */
export function bindDriver(
  address: string,
  driver: string | null,
  options: { kernel?: Kernel } = {},
): string | undefined {
  assertOptions('bindDriver', options, ['kernel'])
  const bdf = parsePciAddress(address)
  if (driver !== null && (typeof driver !== 'string' || !DRIVER_NAME.test(driver))) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `bindDriver: '${String(driver)}' is no driver's name`, {
      hint: "for example 'uio_pci_generic' or 'vfio-pci'; null to bind it to none",
    })
  }
  const kernel = options.kernel ?? linuxKernel()
  const device = readPciDevice(kernel, bdf)
  const { driver: before } = device
  if (driver !== null) assertLoaded(kernel, driver)
  if (before === (driver ?? undefined)) return before
  assertNotOpenHere(kernel, device)
  new DriverBinding(kernel, bdf, before, driver).change()
  return before
}

/** Whoever unbinds a device from vfio-pci waits until it is closed: nobody could close it meanwhile if that is this process. */
function assertNotOpenHere(kernel: Kernel, { address, driver, iommuGroup }: PciDeviceInfo): void {
  if (iommuGroup === undefined || !/(^|[-_])vfio([-_]|$)/.test(driver ?? '')) return
  const node = `/dev/vfio/${iommuGroup}`
  if (!kernel.list('/proc/self/fd').some((fd) => isOpenAs(kernel, `/proc/self/fd/${fd}`, node))) return
  throw new DmaError(
    'DMA_ALREADY_OPEN',
    `this process has ${node} open, the group of ${address}: unbinding it would wait for ever`,
    { hint: 'close() the devices of that group that openVfioDevice() gave, then bind', path: node },
  )
}

function isOpenAs(kernel: Kernel, link: string, path: string): boolean {
  try {
    return kernel.readLink(link) === path
  } catch (error) {
    // Closed since it was listed: what listed it is one.
    if (isDmaError(error, 'ENOENT')) return false
    throw error
  }
}
