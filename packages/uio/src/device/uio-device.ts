import {
  assertOptions,
  type CoherentAllocation,
  closeAll,
  DmaDevice,
  DmaError,
  type DmaOps,
  dmaAllocCoherent,
  IoRegion,
} from '@linux-dma/core'
import type { BarPart } from '@linux-dma/pci'
import { readNumber, UIO_CLASS } from '../discovery/sysfs'
import type { UioDeviceInfo } from '../discovery/uio-device-info'
import { whyNotAtRest } from '../dma/at-rest'
import { UioInterruptStream } from '../interrupts/uio-interrupt-stream'
import type { UioConnection } from './connection'
import { Holder } from './holder'
import { assertMemory } from './map-kind'
import { findMap } from './map-range'
import { UioRegisters } from './registers'
import { UioMemory } from './uio-memory'

/**
 * A device that this process drives through UIO: its registers, memory of its driver, interrupts, and DMA where that is
 * safe. Pass it to `dmaMapSingle` and the other functions of core.
 *
 * `close()` stops a PCI device (bus mastering off), ends its interrupts, takes back all memory, and only then closes it. Any other
 * device is stopped by nothing but its registers: stop it, and unmap and free what it has, before that. What is still mapped then by
 * physical address, for a device that is not proven to be at rest, is kept until the process ends, with a warning (DMA_NOT_QUIET).
 */
export class UioDevice extends DmaDevice {
  /** What sysfs said of it when it was opened. */
  readonly info: UioDeviceInfo
  /** `uio0`. */
  readonly node: string
  /** PCI address, with the domain; undefined for a device that is none of PCI. */
  readonly address: string | undefined
  readonly #connection: UioConnection
  readonly #registers: UioRegisters
  readonly #memories = new Set<UioMemory>()
  readonly #user: Holder
  readonly #stopListening: () => void
  #config: IoRegion | undefined
  #interrupts: UioInterruptStream | undefined

  /** @internal use {@link openUio} */
  constructor(connection: UioConnection, ops: DmaOps) {
    const { info, kernel } = connection
    super(info.pci?.address ?? info.node, kernel, ops)
    this.#connection = connection
    this.#user = new Holder(this)
    this.#registers = new UioRegisters(connection)
    this.info = info
    this.node = info.node
    this.address = info.pci?.address
    this.#stopListening = connection.dma.onChange(UioDevice.#readinessOf(new WeakRef(this)))
    this.#readinessChanged()
    this.watchForLeak()
  }

  /**
   * Aborted, with DMA_DEVICE_GONE as its reason, when the driver is unbound or the device unplugged while it is open: at once for
   * a device that has an interrupt, else when it is next used. Close the device then.
   */
  get removed(): AbortSignal {
    return this.#connection.removed
  }

  /** Interrupts since the driver has the device, 0 to 2^32 - 1, then from 0 again. @throws DMA_DEVICE_GONE, DMA_CLOSED */
  get eventCount(): number {
    this.#assertPresent()
    return this.#connection.whileThere(() => readNumber(this.kernel, `${UIO_CLASS}/${this.node}/event`))
  }

  /**
   * Whether the device may start transfers of its own: always, where it is no PCI device. Looked up each time: where another
   * process that has the device open closes it, the kernel turns bus mastering off. It may be on before {@link setMaster}: by
   * firmware, or by a driver of the kernel other than uio_pci_generic, which is relied upon as it is found at opening.
   */
  get busMaster(): boolean {
    return !this.closed && this.#connection.busMaster
  }

  /**
   * Lets the device start transfers. Mirrors `pci_set_master()`. Until then, or until {@link config} is written so, no DMA address is handed out: a device
   * that may not use the bus moves nothing, and many report completion all the same.
   * @throws DMA_NO_PCI; DMA_IN_USE where another one that has the device open does DMA; EACCES where configuration space may not
   *   be written; DMA_FRAME_MOVED; DMA_DEVICE_GONE, DMA_CLOSED
   */
  setMaster(): void {
    this.#changeMaster(true)
  }

  /** Stops the device from starting transfers. Mirrors `pci_clear_master()`. @throws as {@link setMaster} */
  clearMaster(): void {
    this.#changeMaster(false)
  }

  /**
   * Configuration space of the PCI device, in accesses of 8 to 32 bits. A write that would make mapped registers fault is refused
   * with DMA_BAR_IN_USE.
   * @throws DMA_NO_PCI; EACCES with what permits it; DMA_DEVICE_GONE, DMA_CLOSED
   */
  get config(): IoRegion {
    super.assertOpen()
    this.#connection.assertNotGone()
    if (this.#config !== undefined && !this.#config.closed) return this.#config
    this.#connection.assertPresent()
    const { window } = this.#connection.config
    const name = `${this.name} configuration space`
    this.#config = new IoRegion(window, { name, clock: this.kernel.clock, ownsWindow: false })
    return this.#config
  }

  /**
   * The registers behind one of the device's maps, mapped at the first call: the same object each time while it is open. As all regions
   * of the device they close, and throw DMA_CLOSED, when it goes away: they may be another driver's then.
   * @param which the map's index, or its name. For a PCI device {@link bar} is what says which registers are meant.
   * @throws DMA_NO_MAP, DMA_AMBIGUOUS; DMA_NOT_REGISTERS for memory; DMA_TOO_LARGE above 2 GiB; DMA_DEVICE_GONE, DMA_CLOSED; what mmap answers
   */
  map(which: number | string): IoRegion {
    super.assertOpen()
    return this.#registers.map(which)
  }

  /**
   * Memory that the device's driver shares, as bytes; each call maps it anew.
   * @param options.assumeMemory that you know it is memory, where the kernel does not show what it is
   * @throws DMA_NO_MAP, DMA_AMBIGUOUS; DMA_NOT_MEMORY; DMA_DEVICE_GONE, DMA_CLOSED; what mmap answers
   * @example
   * ```ts
   * using shared = device.mapMemory('coherent')
   * shared.bytes.fill(0)
   * ```
   */
  mapMemory(which: number | string, options: { assumeMemory?: boolean } = {}): UioMemory {
    assertOptions('mapMemory', options, ['assumeMemory'])
    this.#assertPresent()
    const memory = this.#connection.whileThere(() => {
      const map = findMap(this.info, which)
      assertMemory(this.node, map, options.assumeMemory === true)
      return new UioMemory(this.#connection, map)
    })
    for (const one of this.#memories) if (one.closed) this.#memories.delete(one)
    this.#memories.add(memory)
    return memory
  }

  /**
   * The registers behind a BAR: through the map that shows it, else, where UIO hides it, through `resourceN` in sysfs,
   * which is root's. The same object each time while it is open.
   * @param index 0 to 5, the number of the BAR
   * @param part only these bytes of it, as a region of their own. Needed for a BAR above 2 GiB.
   * @throws DMA_NO_PCI; DMA_NO_REGION where the device has no such BAR; DMA_BAR_DISABLED while it does not decode; DMA_RANGE;
   *   DMA_TOO_LARGE; EACCES; DMA_DEVICE_GONE, DMA_CLOSED; what mmap answers
   */
  bar(index: number, part?: BarPart): IoRegion {
    super.assertOpen()
    return this.#registers.bar(index, part)
  }

  /**
   * A range of I/O ports of an x86 machine: those that are a PCI device's BAR in any width, all others one byte at a time.
   * @throws DMA_NO_PORT; DMA_UNSUPPORTED for other kinds of ports; EACCES, EPERM; DMA_DEVICE_GONE, DMA_CLOSED
   */
  port(index: number): IoRegion {
    super.assertOpen()
    return this.#registers.port(index)
  }

  /**
   * Lets interrupts through and gives them as an async iterator, with how often they came. They are on when this returns: call it
   * before starting the device.
   * @throws DMA_INTERRUPT_IN_USE while another stream is open; DMA_NO_INTERRUPT; EACCES where configuration space may not be
   *   written, which uio_pci_generic needs; DMA_INVALID_ARGUMENT; DMA_DEVICE_GONE, DMA_CLOSED; the signal's reason where it is
   *   already aborted
   * @example
   * ```ts
   * for await (const { count } of device.interrupts({ signal })) {
   *   acknowledge(registers)
   * }
   * ```
   */
  interrupts(options: { signal?: AbortSignal } = {}): UioInterruptStream {
    assertOptions('interrupts', options, ['signal'])
    this.#assertPresent()
    const connection = this.#connection
    const giveBack = connection.takeInterrupts(this.#user)
    try {
      this.#interrupts = connection.whileThere(
        () => new UioInterruptStream(connection, options.signal, giveBack),
      )
      return this.#interrupts
    } catch (error) {
      giveBack()
      throw error
    }
  }

  /**
   * Memory that device and program share: of the driver's own, where it offers some, else found where the device reaches it.
   * `origin` says which. The same as `dmaAllocCoherent(device, byteLength)`.
   */
  allocateCoherent(byteLength: number): CoherentAllocation {
    return dmaAllocCoherent(this, byteLength)
  }

  /**
   * Looks whether all that is mapped for the device is still where it was in physical memory, but for tables outside of regions.
   * @throws DMA_FRAME_MOVED with what is not: stop the device then. It gets no address at all until that is unmapped, and this, or
   *   {@link setMaster}, has found all in place; DMA_DEVICE_GONE, DMA_CLOSED
   */
  verifyFrames(): void {
    this.#assertPresent()
    this.ops.verify?.()
  }

  /** Looked up where no interrupt could tell that the device has gone. @throws DMA_DEVICE_GONE, DMA_CLOSED */
  override assertOpen(): void {
    super.assertOpen()
    this.#connection.assertNotGone()
  }

  /** Whoever asks first does DMA, until it closes. */
  override assertReady(): void {
    if (!this.closed) this.#connection.assertNotGone()
    super.assertReady()
    this.#connection.dma.take(this.#user)
  }

  protected override whyNotReady(): DmaError {
    if (this.#connection.gone) return this.#connection.goneError()
    const taken = this.#connection.dma.whyTaken(this.#user)
    return taken ?? this.#noBusMaster()
  }

  #noBusMaster(): DmaError {
    const why = this.busMaster
      ? `setMaster() was not called for ${this.name}: its bus mastering is on, but not by this program`
      : `bus mastering of ${this.name} is off: it could move nothing`
    return new DmaError('DMA_BUS_MASTER_OFF', why, {
      hint: 'call device.setMaster() first, before mapping memory',
    })
  }

  protected override quiesce(): void {
    closeAll([
      () => {
        if (this.#connection.dma.isFreeFor(this.#user)) this.#connection.endBusMaster()
      },
      () => this.#interrupts?.close(),
    ])
  }

  protected override release(): void {
    this.#stopListening()
    closeAll([
      ...[...this.#memories].map((memory) => () => memory.close()),
      () => this.#registers.close(),
      () => this.#config?.close(),
      () => {
        this.#connection.dma.giveBack(this.#user)
        try {
          this.#connection.release()
        } finally {
          if (this.keepsMemory && this.whyNotQuiet() === undefined) this.provenQuiet()
        }
      },
    ])
  }

  protected override whyNotQuiet(): string | undefined {
    return whyNotAtRest(this.#connection)
  }

  /** Apart from the device, which is to be told of, and not kept, by what it shares. */
  static #readinessOf(device: WeakRef<UioDevice>): () => void {
    return () => {
      const one = device.deref()
      if (one !== undefined) one.#readinessChanged()
    }
  }

  /** Who may do DMA is another one now, or bus mastering. */
  #readinessChanged(): void {
    this.setReady(!this.closed && this.#connection.dma.readyFor(this.#user))
  }

  #changeMaster(on: boolean): void {
    this.#assertPresent()
    const { config, dma } = this.#connection
    const taken = dma.whyTaken(this.#user)
    if (taken) throw taken
    if (on) this.ops.verify?.()
    config.busMaster = on
    if (on) dma.take(this.#user)
  }

  /** One system call, which tells what no event has told yet. */
  #assertPresent(): void {
    super.assertOpen()
    this.#connection.assertPresent()
  }
}
