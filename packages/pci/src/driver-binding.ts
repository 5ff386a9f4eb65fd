import { DmaError, explained, isDmaError, type Kernel } from '@linux-dma/core'
import { bindCommands } from './bind-commands'
import { PCI_DEVICES } from './pci-address'
import { linkName } from './pci-device'

const DRIVERS = '/sys/bus/pci/drivers'
/** What an empty driver_override reads as. */
const NO_OVERRIDE = '(null)'

/** @throws DMA_NO_DRIVER where the kernel has no such driver now */
export function assertLoaded(kernel: Kernel, driver: string): void {
  if (kernel.list(DRIVERS).includes(driver)) return
  throw new DmaError('DMA_NO_DRIVER', `the kernel has no PCI driver '${driver}' now`, {
    hint: `as root: modprobe ${driver}; it comes with the kernel's modules`,
    path: `${DRIVERS}/${driver}`,
  })
}

/** One device's way from one driver to another. */
export class DriverBinding {
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

  /**
   * driver_override decides at the moment of binding and not after it: it says `driver` meanwhile, so that nobody else takes a
   * device that is between two drivers, and then again what an administrator had it say.
   * @throws DMA_NOT_BOUND, DMA_NO_DEVICE, EACCES, EROFS; the device has the driver that it had then
   */
  change(): void {
    if (this.#driver === null) {
      this.#attempt(() => this.#unbind())
      return
    }
    const driver = this.#driver
    const override = this.#kernel.readText(`${this.#folder}/driver_override`).trim()
    this.#attempt(() => {
      this.#override(driver)
      if (this.#before !== undefined) this.#unbind()
      this.#bind(driver)
      this.#override(override)
    }, override)
  }

  /** All of it, or nothing: what cannot be finished is undone. */
  #attempt(steps: () => void, override?: string): void {
    try {
      steps()
    } catch (error) {
      this.#restore(override)
      throw this.#isGone() ? this.#gone(error) : this.#withWhatIsLeft(error)
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

  #bind(driver: string): void {
    try {
      this.#bindOnce(driver)
    } catch (error) {
      throw this.#refused(driver, error)
    }
    // Some kernels report success whatever the driver said.
    if (this.#holder !== driver) throw this.#refused(driver, undefined)
  }

  #bindOnce(driver: string): void {
    try {
      this.#write(`${DRIVERS}/${driver}/bind`, this.#address)
    } catch (error) {
      // Bound meanwhile by somebody else, to the same driver.
      if (this.#holder !== driver) throw error
    }
  }

  /** Leaves the device as it was found; what went wrong first is what counts. */
  #restore(override: string | undefined): void {
    const attempt = (step: () => void) => {
      try {
        step()
      } catch {}
    }
    const before = this.#before
    if (this.#driver !== null && this.#holderAsFarAsKnown === this.#driver) attempt(() => this.#unbind())
    if (before !== undefined && this.#holderAsFarAsKnown !== before) {
      // Some drivers take a device only where it says their name.
      attempt(() => this.#override(before))
      attempt(() => this.#write(`${DRIVERS}/${before}/bind`, this.#address))
    }
    if (override !== undefined) attempt(() => this.#override(override))
  }

  get #holder(): string | undefined {
    return linkName(this.#kernel, `${this.#folder}/driver`)
  }

  /** The same on the way out of a failure, of which a second one must not take the place. */
  get #holderAsFarAsKnown(): string | undefined {
    try {
      return this.#holder
    } catch {
      return undefined
    }
  }

  #override(name: string): void {
    this.#write(`${this.#folder}/driver_override`, name === NO_OVERRIDE ? '\n' : name)
  }

  #write(path: string, text: string): void {
    const commands = () => bindCommands(this.#address, this.#before, this.#driver)
    explained(() => this.#kernel.writeText(path, text), {
      EACCES: () => ({
        message: `binding ${this.#address} to a driver is root's: ${path} is not writable`,
        hint: commands(),
      }),
      EROFS: () => ({
        message: `sysfs is read-only here, as in most containers: ${path} cannot be written`,
        hint: `outside of the container, ${commands()}`,
      }),
    })
  }

  #refused(driver: string, cause: unknown): unknown {
    if (isDmaError(cause, 'EACCES') || isDmaError(cause, 'EROFS')) return cause
    const holder = this.#holderAsFarAsKnown
    const why = holder === undefined ? (isDmaError(cause) ? `: ${cause.code}` : '') : `: ${holder} has it now`
    return new DmaError('DMA_NOT_BOUND', `${driver} did not take ${this.#address}${why}`, {
      hint: whyRefused(driver),
      cause,
    })
  }

  #isGone(): boolean {
    try {
      return !this.#kernel.list(PCI_DEVICES).includes(this.#address)
    } catch {
      return false
    }
  }

  #gone(cause: unknown): DmaError {
    return new DmaError('DMA_NO_DEVICE', `${this.#address} went away while it was being bound`, {
      hint: "'lspci -D' lists the devices that there are now",
      cause,
    })
  }

  /** An error that also tells where the device is, if it is not where it was. */
  #withWhatIsLeft(error: unknown): unknown {
    const holder = this.#holderAsFarAsKnown
    const before = this.#before
    if (before === undefined || holder === before || !isDmaError(error)) return error
    const now = holder === undefined ? 'has no driver now' : `is bound to ${holder} now`
    return new DmaError(
      error.code,
      `${this.#address} ${now}, since ${before} did not take it back after a failure`,
      {
        hint: bindCommands(this.#address, holder, before),
        cause: error,
      },
    )
  }
}

function whyRefused(driver: string): string {
  const log = "'dmesg | tail' tells more"
  if (driver === 'uio_pci_generic') {
    return `uio_pci_generic takes only devices with an interrupt pin that can be masked (bit 10 of PCI_COMMAND); ${log}`
  }
  if (/(^|[-_])vfio([-_]|$)/.test(driver)) {
    return `${driver} takes no device without an IOMMU: switch it on in the firmware, and on Intel boot with intel_iommu=on; ${log}`
  }
  return log
}
