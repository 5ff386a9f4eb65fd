import { assertOptions, DmaError, explained, isDmaError, type Kernel, linuxKernel } from '@linux-dma/core'
import { bindCommands } from './bind-commands'
import { PCI_DEVICES, parsePciAddress } from './pci-address'
import { linkName, readPciDevice } from './pci-device'

const DRIVERS = '/sys/bus/pci/drivers'
/** What an empty driver_override reads as, and what is written to empty it. */
const NO_OVERRIDE = '(null)'

/**
 * Gives a PCI device to a driver of the kernel, or takes it from the one that has it. Mirrors `driver_override`, `unbind`
 * and `drivers_probe` in sysfs, as driverctl(8) writes them. Needs root, once: the driver of user space does not.
 *
 * Where the new driver refuses the device, the old one has it back. Unbinding a device that a process has open through VFIO
 * waits until that process closes it.
 * @param address for example `0000:00:04.0`; the domain may be left out
 * @param driver its name in /sys/bus/pci/drivers, such as `uio_pci_generic` or `vfio-pci`; null: none
 * @returns the name of the driver that had the device before, to be given back later
 * @throws DMA_INVALID_ARGUMENT; DMA_NO_DEVICE; DMA_NO_DRIVER where the kernel has no such driver now; DMA_NOT_BOUND where it did
 *   not take the device; EACCES with the commands to run as root
 * @example
 * ```ts
 * const before = bindDriver('0000:00:04.0', 'uio_pci_generic', { kernel })
 * ```
 */
export function bindDriver(
  address: string,
  driver: string | null,
  options: { kernel?: Kernel } = {},
): string | undefined {
  assertOptions('bindDriver', options, ['kernel'])
  const bdf = parsePciAddress(address)
  if (driver !== null && (typeof driver !== 'string' || !/^[\w-]+$/.test(driver))) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `bindDriver: '${String(driver)}' is no driver's name`, {
      hint: "for example 'uio_pci_generic' or 'vfio-pci'; null to bind it to none",
    })
  }
  const kernel = options.kernel ?? linuxKernel()
  const { driver: before } = readPciDevice(kernel, bdf)
  if (driver !== null) assertLoaded(kernel, driver)
  if (before === (driver ?? undefined)) return before
  const binding = new Binding(kernel, bdf, before, driver)
  binding.change()
  return before
}

/** One device's way from one driver to another. */
class Binding {
  readonly #kernel: Kernel
  readonly #address: string
  readonly #before: string | undefined
  readonly #driver: string | null
  readonly #folder: string

  constructor(kernel: Kernel, address: string, before: string | undefined, driver: string | null) {
    this.#kernel = kernel
    this.#address = address
    this.#before = before
    this.#driver = driver
    this.#folder = `${PCI_DEVICES}/${address}`
  }

  change(): void {
    const override = this.#kernel.readText(`${this.#folder}/driver_override`).trim()
    this.#write(`${this.#folder}/driver_override`, this.#driver ?? '\n')
    try {
      if (this.#before !== undefined) this.#unbind()
      if (this.#driver !== null) this.#probe(this.#driver)
    } catch (error) {
      this.#restore(override)
      throw error
    }
  }

  #unbind(): void {
    try {
      this.#write(`${this.#folder}/driver/unbind`, this.#address)
    } catch (error) {
      // Taken away meanwhile by somebody else: that is what was wanted.
      if (!isDmaError(error, 'ENOENT') && !isDmaError(error, 'ENODEV')) throw error
    }
  }

  /** The kernel says nothing where a driver refuses: it is seen by who has the device afterwards. */
  #probe(driver: string): void {
    this.#write('/sys/bus/pci/drivers_probe', this.#address)
    const bound = linkName(this.#kernel, `${this.#folder}/driver`)
    if (bound === driver) return
    throw new DmaError('DMA_NOT_BOUND', `${driver} did not take ${this.#address}`, {
      hint: whyRefused(driver),
    })
  }

  /** Leaves the device as it was found; what went wrong first is what counts. */
  #restore(override: string): void {
    try {
      this.#kernel.writeText(`${this.#folder}/driver_override`, override === NO_OVERRIDE ? '\n' : override)
      if (this.#before !== undefined) {
        this.#kernel.writeText(`${DRIVERS}/${this.#before}/bind`, this.#address)
      }
    } catch {}
  }

  #write(path: string, text: string): void {
    explained(() => this.#kernel.writeText(path, text), {
      EACCES: () => ({
        message: `binding ${this.#address} to a driver is root's: ${path} is not writable`,
        hint: bindCommands(this.#address, this.#before, this.#driver ?? 'none'),
      }),
    })
  }
}

function assertLoaded(kernel: Kernel, driver: string): void {
  if (kernel.list(DRIVERS).includes(driver)) return
  throw new DmaError('DMA_NO_DRIVER', `the kernel has no PCI driver '${driver}' now`, {
    hint: `as root: modprobe ${driver}; its package is the one of the kernel's modules`,
    path: `${DRIVERS}/${driver}`,
  })
}

function whyRefused(driver: string): string {
  const log = "'dmesg | tail' tells more"
  if (driver === 'uio_pci_generic') {
    return `uio_pci_generic takes devices with an interrupt line that can be masked only (bit 10 of PCI_COMMAND); ${log}`
  }
  if (driver === 'vfio-pci')
    return `vfio-pci takes no device without an IOMMU: boot with intel_iommu=on; ${log}`
  return log
}
