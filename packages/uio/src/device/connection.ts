import { closeAll, DmaError, isDmaError, type Kernel } from '@linux-dma/core'
import type { Watch } from '@linux-dma/native'
import type { PciConfigSpace } from '@linux-dma/pci'
import { readUioDevice } from '../discovery/list-devices'
import type { UioDeviceInfo } from '../discovery/uio-device-info'
import { deviceGone } from './device-gone'
import { DmaClaim } from './dma-claim'
import { openNode } from './open-node'
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
  readonly #removed = new AbortController()
  readonly #goneCallbacks = new Set<() => void>()
  readonly #eventListeners = new Set<EventListener>()
  readonly #onClose: () => void
  /** None where the device has no interrupt. */
  readonly #watch: Watch | undefined
  #total: number
  #interruptsTaken = false
  #users = 0
  #gone = false

  /**
   * @param onClose called when the last user has released it
   * @throws what open(2) answers, with hints; DMA_DEVICE_GONE. Nothing stays open then.
   */
  constructor(kernel: Kernel, found: UioDeviceInfo, onClose: () => void) {
    this.kernel = kernel
    this.before = found
    this.#onClose = onClose
    this.fd = openNode(kernel, found)
    const undo = [() => kernel.close(this.fd)]
    try {
      this.info = readAgain(kernel, found)
      this.#total = this.info.eventCount
      const { pci } = this.info
      this.dma = new DmaClaim(found.node, pci !== undefined, pci?.busMaster ?? true)
      this.#config = pci && this.#openConfig(pci.address)
      if (this.#config) undo.unshift(() => this.#config?.close())
      if (this.#hasInterrupt()) this.#watch = this.#startWatch()
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
    return this.#gone
  }

  /** Aborted when the device goes away, with DMA_DEVICE_GONE. */
  get removed(): AbortSignal {
    return this.#removed.signal
  }

  /** The configuration space of the PCI device. @throws DMA_NO_PCI; EACCES with what permits it */
  get config(): PciConfigSpace {
    if (this.#config) return this.#config.space
    throw new DmaError('DMA_NO_PCI', `${this.info.node} (${this.info.name}) is no PCI device`, {
      hint: 'it has neither configuration space, BARs nor bus mastering: use map(), and DMA as it is',
    })
  }

  /** The same, where there is one that may be written. */
  get writableConfig(): PciConfigSpace | undefined {
    return this.#config?.allowed
  }

  /** Takes in what has come, and looks whether the device is there. @throws DMA_DEVICE_GONE */
  assertPresent(): void {
    if (this.present()) return
    throw deviceGone(this.info.node)
  }

  /** Whether the device is there: one system call, which takes in what interrupts have come. */
  present(): boolean {
    if (this.#gone) return false
    if (this.#watch) this.#readTotal()
    else if (!this.#answersWrites()) this.#becomeGone()
    return !this.#gone
  }

  /** Calls back once, when the device goes away. @returns what ends that */
  onGone(callback: () => void): () => void {
    this.#goneCallbacks.add(callback)
    return () => this.#goneCallbacks.delete(callback)
  }

  /**
   * Interrupts have one consumer: each is counted once. @returns what gives them back
   * @throws DMA_NO_INTERRUPT, DMA_INTERRUPT_IN_USE
   */
  takeInterrupts(): () => void {
    const { node, name } = this.info
    if (this.#watch === undefined) {
      throw new DmaError('DMA_NO_INTERRUPT', `${node} (${name}) has no interrupt`, {
        hint: 'look at its registers: await registers.pollUntil(offset, (value) => …, { timeoutMilliseconds })',
      })
    }
    if (this.#interruptsTaken) {
      throw new DmaError('DMA_INTERRUPT_IN_USE', `the interrupts of ${node} already have a consumer`, {
        hint: 'close the other stream first, or hand the interrupts on from it',
      })
    }
    this.#interruptsTaken = true
    return () => {
      this.#interruptsTaken = false
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
    closeAll([
      () => this.#watch?.close(),
      () => this.#config?.close(),
      () => this.kernel.close(this.fd),
      () => this.#onClose(),
    ])
  }

  #openConfig(address: string): SysfsConfig {
    return new SysfsConfig(this.kernel, address, {
      hasMappedRegisters: () => [...this.mappedRegisters].some((registers) => !registers.closed),
      setBusMaster: (on) => this.dma.setBusMaster(on),
      assertOwned: (writes) => this.#assertOwned(writes),
    })
  }

  /** Before the first interrupt is waited for, a device without any is told by EIO. It has just been opened. */
  #hasInterrupt(): boolean {
    try {
      this.#take(this.#read())
    } catch (error) {
      if (isDmaError(error, 'EIO')) return false
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
  #answersWrites(): boolean {
    try {
      this.kernel.write(this.fd, new Uint8Array(4))
    } catch (error) {
      return !isDmaError(error, 'EINVAL')
    }
    return true
  }

  #take(total: number): void {
    this.#total = total
    for (const listener of [...this.#eventListeners]) listener(total)
  }

  /** Memory of the driver is taken out of the process before anybody is told: the kernel frees it now. */
  #becomeGone(cause?: unknown): void {
    if (this.#gone) return
    this.#gone = true
    const callbacks = [...this.#goneCallbacks]
    this.#goneCallbacks.clear()
    for (const step of [() => this.#watch?.close(), ...callbacks]) {
      try {
        step()
      } catch (error) {
        this.kernel.warn(error as Error)
      }
    }
    this.dma.lose()
    this.#removed.abort(deviceGone(this.info.node, cause))
  }

  /** The PCI device is there after its driver went, and may have another: nothing of it is ours then. */
  #assertOwned(writes: boolean): void {
    if (writes) this.assertPresent()
    else if (this.#gone) throw deviceGone(this.info.node)
  }
}

/** @throws DMA_DEVICE_GONE where it is not the device that was found: numbers are given again */
function readAgain(kernel: Kernel, found: UioDeviceInfo): UioDeviceInfo {
  let info: UioDeviceInfo
  try {
    info = readUioDevice(kernel, found.node)
  } catch (error) {
    throw isDmaError(error, 'DMA_NO_DEVICE') ? deviceGone(found.node, error) : error
  }
  if (info.devicePath === found.devicePath && info.name === found.name) return info
  throw deviceGone(found.node)
}

/** The reason why it could not be opened tells more than a failure to close what had been. */
function quietly(step: () => void): void {
  try {
    step()
  } catch {}
}
