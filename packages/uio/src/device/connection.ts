import { closeAll, DmaError, isDmaError, type Kernel } from '@linux-dma/core'
import type { Watch } from '@linux-dma/native'
import { type PciConfigSpace, readPciCommand } from '@linux-dma/pci'
import { UIO_PCI_GENERIC } from '../discovery/drivers'
import type { UioDeviceInfo } from '../discovery/uio-device-info'
import { Departure } from './departure'
import { deviceGone } from './device-gone'
import { DmaClaim } from './dma-claim'
import { foundMasterOn } from './found-master'
import type { Holder } from './holder'
import { takenBy } from './in-use'
import { readAgain } from './read-again'
import type { SoleDescriptor } from './sole-descriptor'
import { SysfsConfig } from './sysfs-config'

/** Told of each new total of interrupts, 0 to 2^32 - 1, which wraps. */
export type EventListener = (total: number) => void

/**
 * One open descriptor of a UIO device, shared by all who open the device through one kernel object: uio_pci_generic
 * turns bus mastering off, for everybody, when any descriptor of the device is closed.
 *
 * It notices that the device goes away: at once, where the device has an interrupt, since the same watch tells of both;
 * else when it is next asked.
 */
export class UioConnection {
  readonly kernel: Kernel
  readonly fd: number
  /** As it was read after the device was opened: some drivers allocate memory only then. */
  readonly info: UioDeviceInfo
  /** As it was found, before this process opened it. */
  readonly before: UioDeviceInfo
  /** Who may do DMA. */
  readonly dma: DmaClaim
  /** Registers that were mapped into this process: while one is open, the device has to go on to answer. */
  readonly mappedRegisters = new Set<{ readonly closed: boolean }>()
  readonly #config: SysfsConfig | undefined
  readonly #departure: Departure
  readonly #sole: SoleDescriptor
  readonly #eventListeners = new Set<EventListener>()
  readonly #onClose: () => void
  /** None where the device has no interrupt. */
  readonly #watch: Watch | undefined
  #total: number
  #interruptsTakenBy: Holder | undefined
  /** What the first read said of a device without one. */
  #whyNoInterrupt: unknown
  #users = 0
  /** The descriptor's number may be another file's from then on. */
  #closed = false

  /**
   * @param sole is its own from now on
   * @param onClose called when the last user has released it
   * @throws DMA_DEVICE_GONE; what reading and opening what belongs to it answers. Nothing stays open then.
   */
  constructor(kernel: Kernel, sole: SoleDescriptor, found: UioDeviceInfo, onClose: () => void) {
    this.kernel = kernel
    this.#sole = sole
    this.fd = sole.fd
    this.before = found
    this.#onClose = onClose
    this.#departure = new Departure(kernel, found.node)
    const undo = [() => sole.close()]
    try {
      this.info = readAgain(kernel, found)
      this.#total = this.info.eventCount
      const { pci } = this.info
      this.dma = new DmaClaim(found.node, pci !== undefined, foundMasterOn(kernel, this.info))
      // First: without a watch it is looked whether the device is there by a write, which a driver with interrupts hears.
      if (this.#hasInterrupt()) this.#watch = this.#startWatch()
      undo.unshift(() => this.#watch?.close())
      this.#config = pci && this.#openConfig(pci.address)
    } catch (error) {
      for (const step of undo) quietly(step)
      throw error
    }
  }

  /** Interrupts since the driver has the device, 0 to 2^32 - 1, as far as they were read. */
  get total(): number {
    return this.#total
  }

  /** Whether the driver was unbound, or the device unplugged, as far as it was noticed. */
  get gone(): boolean {
    return this.#departure.noticed
  }

  /** What is thrown once it was noticed. */
  goneError(): DmaError {
    return this.#departure.error()
  }

  /** Whether the kernel tells by itself that the device goes away: where it has an interrupt. */
  get isWatched(): boolean {
    return this.#watch !== undefined
  }

  /** Aborted when the device goes away, with DMA_DEVICE_GONE. */
  get removed(): AbortSignal {
    return this.#departure.signal
  }

  /** The configuration space of the PCI device. @throws DMA_NO_PCI; EACCES with what permits it */
  get config(): PciConfigSpace {
    if (this.#config) return this.#config.space
    const { node, name, devicePath } = this.info
    throw new DmaError('DMA_NO_PCI', `${node} (${name}) is no PCI device: so says ${devicePath}/subsystem`, {
      hint: 'it has neither configuration space, BARs nor bus mastering: use map(), and DMA as it is',
    })
  }

  /** The same, where there is one that may be written. */
  get writableConfig(): PciConfigSpace | undefined {
    return this.#config?.allowed
  }

  /**
   * Whether the device may start transfers, as its own register says: where another process closes the device, the kernel turns it
   * off. True for one that is none of PCI.
   */
  get busMaster(): boolean {
    const { pci } = this.info
    if (!this.present()) return false
    if (pci === undefined) return true
    try {
      const { busMaster } = readPciCommand(this.kernel, pci.address)
      if (!busMaster && this.dma.busMaster) this.dma.setBusMaster(false)
      return busMaster
    } catch (error) {
      if (!isDmaError(error, 'ENOENT') && !isDmaError(error, 'ENODEV')) throw error
      this.#becomeGone(error)
      return false
    }
  }

  /**
   * Turns bus mastering off, unless it is the business of the device's own driver in the kernel, and this process never turned it on.
   * A device that has gone is at rest: the kernel turned it off, and it may be another driver's by now.
   */
  endBusMaster(): void {
    if (this.info.driver !== UIO_PCI_GENERIC && !this.dma.turnedOn) return
    const space = this.writableConfig
    if (space === undefined || this.gone) return
    try {
      space.busMaster = false
    } catch (error) {
      if (!this.gone) throw error
    }
  }

  /** Takes in what has come, and looks whether the device is there. @throws DMA_DEVICE_GONE */
  assertPresent(): void {
    if (!this.present()) throw this.goneError()
  }

  /** The same, without a system call where the device has an interrupt: its watch tells. @throws DMA_DEVICE_GONE */
  assertNotGone(): void {
    if (this.#watch === undefined) this.assertPresent()
    else if (this.gone) throw this.goneError()
  }

  /** Does what the kernel refuses by errnos of its own once the device has gone. @throws DMA_DEVICE_GONE then */
  whileThere<Result>(action: () => Result): Result {
    this.assertNotGone()
    try {
      return action()
    } catch (error) {
      this.assertPresent()
      throw error
    }
  }

  /** Whether the device is there: one system call, which takes in what interrupts have come. */
  present(): boolean {
    if (this.gone || this.#closed) return !this.gone
    if (this.#watch) this.#readTotal()
    else this.#writeNothing()
    return !this.gone
  }

  /** Calls back once, when the device goes away, before the program is told. @returns what ends that */
  onGone(callback: () => void): () => void {
    return this.#departure.onNotice(callback)
  }

  /**
   * Interrupts have one consumer: each is counted once. @returns what gives them back
   * @throws DMA_NO_INTERRUPT, DMA_INTERRUPT_IN_USE
   */
  takeInterrupts(user: Holder): () => void {
    const { node, name } = this.info
    if (this.#watch === undefined) {
      throw new DmaError('DMA_NO_INTERRUPT', `${node} (${name}) has no interrupt`, {
        hint: 'look at its registers: await registers.pollUntil(offset, (value) => …, { timeoutMilliseconds })',
        cause: this.#whyNoInterrupt,
      })
    }
    if (this.#interruptsTakenBy !== undefined) {
      throw takenBy(
        this.#interruptsTakenBy,
        'DMA_INTERRUPT_IN_USE',
        `the interrupts of ${node} already have a consumer`,
        'close the other stream first, or hand the interrupts on from it',
      )
    }
    this.#interruptsTakenBy = user
    return () => {
      this.#interruptsTakenBy = undefined
    }
  }

  /** Tells of interrupts from now on, and keeps the process alive for them. @returns what ends that */
  subscribe(listener: EventListener): () => void {
    this.#eventListeners.add(listener)
    this.#watch?.ref()
    return () => {
      this.#eventListeners.delete(listener)
      if (this.#eventListeners.size === 0) this.#watch?.unref()
    }
  }

  retain(): this {
    this.#users++
    return this
  }

  /** Closes everything when the last user does it. */
  release(): void {
    if (--this.#users > 0) return
    this.#closed = true
    closeAll([
      () => this.#watch?.close(),
      () => this.#config?.close(),
      () => this.#sole.close(),
      () => this.#onClose(),
    ])
  }

  #openConfig(address: string): SysfsConfig {
    return new SysfsConfig(this.kernel, address, {
      hasMappedRegisters: () => [...this.mappedRegisters].some((registers) => !registers.closed),
      setBusMaster: (on, before) => this.dma.setBusMaster(on, before),
      isMasterOff: () => this.dma.isMasterOff,
      assertOwned: (writes) => (writes ? this.assertPresent() : this.assertNotGone()),
      gone: (error) => {
        this.#becomeGone(error)
        return deviceGone(this.info.node, error)
      },
    })
  }

  /** Before the first interrupt is waited for, a device without any is told by EIO. It has just been opened. */
  #hasInterrupt(): boolean {
    try {
      this.#take(this.#read())
    } catch (error) {
      if (isDmaError(error, 'EIO')) {
        this.#whyNoInterrupt = error
        return false
      }
      if (!isDmaError(error, 'EAGAIN')) throw error
    }
    return true
  }

  #startWatch(): Watch {
    const watch = this.kernel.watch(this.fd, 4, {
      onCount: (total) => this.#take(total),
      onError: (error) => this.#becomeGone(error),
    })
    // That it might go away is no reason for a process to stay.
    watch.unref()
    return watch
  }

  #readTotal(): void {
    try {
      this.#take(this.#read())
    } catch (error) {
      if (isDmaError(error, 'EIO')) this.#becomeGone(error)
      else if (!isDmaError(error, 'EAGAIN')) throw error
    }
  }

  #read(): number {
    const bytes = new Uint8Array(4)
    this.kernel.read(this.fd, bytes)
    return new DataView(bytes.buffer).getUint32(0, true)
  }

  /** A device without an interrupt refuses what would be told to its driver: by another errno once it is gone. */
  #writeNothing(): void {
    try {
      this.kernel.write(this.fd, new Uint8Array(4))
    } catch (error) {
      if (isDmaError(error, 'EINVAL')) this.#becomeGone(error)
    }
  }

  #take(total: number): void {
    this.#total = total
    for (const listener of [...this.#eventListeners]) listener(total)
  }

  #becomeGone(cause: unknown): void {
    const last = () => {
      this.dma.lose()
      this.#watch?.close()
      this.#sole.giveUpClaim()
    }
    this.#departure.notice(last, cause)
  }
}

/** The reason why it could not be opened tells more than a failure to close what had been. */
function quietly(step: () => void): void {
  try {
    step()
  } catch {}
}
