import { type BoundRegister, type Clock, DmaError, type Kernel, type RegisterWindow } from '@linux-dma/native'
import { closeAll } from '../checks/close-all'
import { assertRange } from '../checks/validate'
import { type DmaAddress, dmaAddress, lowerHalf, upperHalf } from '../vocabulary/address'
import { type PollOptions, pollUntil } from './poll-until'
import { noSuchRegister, notAnAddress, notAValue } from './register-errors'

/** Something made of registers, which has to end before they go. */
interface Closable {
  close(): void
}

const TWO_TO_32 = 0x1_0000_0000
/** Offsets must stay positive as 32-bit integers for the one-compare check below. */
const LARGEST_WINDOW = 0x8000_0000

/**
 * A device's registers: reads and writes of an exact width, at byte offsets that are multiples of it. Not memory: there
 * is no buffer behind it to slice or to make a `DataView` of. Little-endian, as PCI is.
 *
 * Reads and writes are ordered as the kernel's `readl()` and `writel()`; `relaxed` gives those of `readl_relaxed()`.
 */
export class IoRegion implements Disposable {
  /** What errors call it, for example `0000:00:04.0 BAR 0`. */
  readonly name: string
  readonly #window: RegisterWindow
  readonly #clock: Clock
  // What each access reads starts as a number: the engine then knows its kind.
  readonly #start: number = 0
  readonly #ownsWindow: boolean
  readonly #onClose: () => void
  /** Sub-regions and relaxed twins, which close with this one. */
  readonly #parts = new Set<IoRegion>()
  /** What other devices have of these registers: closed before they go. @internal */
  readonly users = new Set<Closable>()
  #byteLength = 0
  #relaxed: IoRegion | undefined

  /** @internal made by the package that opened the device */
  constructor(
    window: RegisterWindow,
    options: {
      name: string
      clock: Clock
      byteOffset?: number
      byteLength?: number
      ownsWindow?: boolean
      onClose?: () => void
    },
  ) {
    this.name = options.name
    this.#window = window
    this.#clock = options.clock
    this.#start = options.byteOffset ?? 0
    this.#byteLength = Math.min(options.byteLength ?? window.byteLength, LARGEST_WINDOW)
    this.#ownsWindow = options.ownsWindow ?? true
    this.#onClose = options.onClose ?? (() => {})
  }

  /** Bytes in the region: 0 after `close()`. */
  get byteLength(): number {
    return this.#byteLength
  }

  get closed(): boolean {
    return this.#byteLength === 0
  }

  /** @throws DMA_RANGE for an offset outside the region; DMA_CLOSED */
  read8(byteOffset: number): number {
    return this.#window.read8(this.check(byteOffset, 1))
  }

  /** @throws DMA_RANGE for an offset outside the region or not a multiple of 2; DMA_CLOSED */
  read16(byteOffset: number): number {
    return this.#window.read16(this.check(byteOffset, 2))
  }

  /** Mirrors `readl()`. @throws DMA_RANGE for an offset outside the region or not a multiple of 4; DMA_CLOSED */
  read32(byteOffset: number): number {
    return this.#window.read32(this.check(byteOffset, 4))
  }

  /** Mirrors `readq()`: one 64-bit load. @throws DMA_RANGE for an offset outside or not a multiple of 8; DMA_CLOSED */
  read64(byteOffset: number): bigint {
    return this.#window.read64(this.check(byteOffset, 8))
  }

  /** @param value 0 to 255. @throws DMA_RANGE, DMA_VALUE_RANGE, DMA_CLOSED */
  write8(byteOffset: number, value: number): void {
    const at = this.check(byteOffset, 1)
    if (typeof value !== 'number' || (value & 0xff) !== value) this.#valueError(value, 8)
    this.#window.write8(at, value)
  }

  /** @param value 0 to 65,535. @throws DMA_RANGE, DMA_VALUE_RANGE, DMA_CLOSED */
  write16(byteOffset: number, value: number): void {
    const at = this.check(byteOffset, 2)
    if (typeof value !== 'number' || (value & 0xffff) !== value) this.#valueError(value, 16)
    this.#window.write16(at, value)
  }

  /** Mirrors `writel()`. @param value 0 to 2^32 - 1. @throws DMA_RANGE, DMA_VALUE_RANGE, DMA_CLOSED */
  write32(byteOffset: number, value: number): void {
    const at = this.check(byteOffset, 4)
    if (typeof value !== 'number' || value >>> 0 !== value) this.#valueError(value, 32)
    this.#window.write32(at, value)
  }

  /** Mirrors `writeq()`: one 64-bit store. @param value 0n to 2^64 - 1. @throws DMA_RANGE, DMA_VALUE_RANGE, DMA_CLOSED */
  write64(byteOffset: number, value: bigint): void {
    const at = this.check(byteOffset, 8)
    if (typeof value !== 'bigint' || BigInt.asUintN(64, value) !== value) this.#valueError(value, 64)
    this.#window.write64(at, Number(value & 0xffff_ffffn), Number(value >> 32n))
  }

  /**
   * Writes an address with one 64-bit store, as `writeq()`. A device that takes only 32-bit accesses needs
   * {@link writeAddressLowHigh} or {@link writeAddressHighLow}.
   * @throws DMA_RANGE, DMA_CLOSED
   */
  writeAddress(byteOffset: number, address: DmaAddress): void {
    const at = this.check(byteOffset, 8)
    this.#checkAddress(address)
    this.#window.write64(at, lowerHalf(address), upperHalf(address))
  }

  /** Writes an address as two 32-bit stores, the lower half first. Mirrors `lo_hi_writeq()`. @throws DMA_RANGE, DMA_CLOSED */
  writeAddressLowHigh(byteOffset: number, address: DmaAddress): void {
    this.#checkAddress(address)
    this.check(byteOffset + 4, 4)
    this.write32(byteOffset, lowerHalf(address))
    this.write32(byteOffset + 4, upperHalf(address))
  }

  /** Writes an address as two 32-bit stores, the upper half first. Mirrors `hi_lo_writeq()`. @throws DMA_RANGE, DMA_CLOSED */
  writeAddressHighLow(byteOffset: number, address: DmaAddress): void {
    this.#checkAddress(address)
    this.check(byteOffset, 4)
    this.write32(byteOffset + 4, upperHalf(address))
    this.write32(byteOffset, lowerHalf(address))
  }

  /** Reads back an address with two 32-bit loads. @throws DMA_ADDRESS_RANGE above 2^53 - 1; DMA_RANGE, DMA_CLOSED */
  readAddress(byteOffset: number): DmaAddress {
    const low = this.read32(byteOffset)
    return dmaAddress(this.read32(byteOffset + 4) * TWO_TO_32 + low)
  }

  /**
   * One register with its offset bound in, for hot loops: one load or store, since range and alignment are checked
   * here and not at each access. A value that is written is cut to the register's width.
   * @throws DMA_RANGE, DMA_CLOSED; the accessors throw DMA_CLOSED once the region that was mapped is closed
   */
  register32(byteOffset: number): BoundRegister {
    return this.#window.bind(this.check(byteOffset, 4), 32)
  }

  /** As {@link register32}, 16 bits wide. */
  register16(byteOffset: number): BoundRegister {
    return this.#window.bind(this.check(byteOffset, 2), 16)
  }

  /** As {@link register32}, 8 bits wide. */
  register8(byteOffset: number): BoundRegister {
    return this.#window.bind(this.check(byteOffset, 1), 8)
  }

  /**
   * Reads a 32-bit register until `condition` holds. Mirrors `readl_poll_timeout()`: sleeps between reads, and reads
   * once more after the time is up.
   * @returns the value that met the condition
   * @throws ETIMEDOUT with the last value; the signal's reason; DMA_RANGE, DMA_CLOSED
   * @example
   * ```ts
   * await registers.pollUntil(STATUS, (status) => (status & BUSY) === 0, { timeoutMilliseconds: 100 })
   * ```
   */
  pollUntil(
    byteOffset: number,
    condition: (value: number) => boolean,
    options: PollOptions,
  ): Promise<number> {
    const what = () => `${this.name} register 0x${byteOffset.toString(16)}`
    return pollUntil(() => this.read32(byteOffset), condition, what, this.#clock, options)
  }

  /** A part of this region, whose offsets begin at 0 again. It closes with this one. @throws DMA_RANGE */
  subRegion(
    byteOffset: number,
    byteLength: number,
    name = `${this.name}+0x${byteOffset.toString(16)}`,
  ): IoRegion {
    assertRange(this.name, byteOffset, byteLength, this.#byteLength)
    const start = this.#start + byteOffset
    return this.#part(this.#window, { name, byteOffset: start, byteLength })
  }

  /** The same registers without ordering against other memory accesses: `readl_relaxed()`, `writel_relaxed()`. */
  get relaxed(): IoRegion {
    if (this.#window.relaxed === this.#window) return this
    const whole = { name: this.name, byteOffset: this.#start, byteLength: this.#byteLength }
    if (this.#relaxed === undefined || this.#relaxed.closed)
      this.#relaxed = this.#part(this.#window.relaxed, whole)
    return this.#relaxed
  }

  /**
   * Where this process has a part of the registers; undefined where they are not mapped.
   * @throws DMA_RANGE, DMA_CLOSED
   * @internal for {@link dmaMapResource}
   */
  processAddressAt(byteOffset: number, byteLength: number): number | undefined {
    if (this.closed) throw new DmaError('DMA_CLOSED', `${this.name} is closed`)
    assertRange(this.name, byteOffset, byteLength, this.#byteLength)
    const { address } = this.#window
    return address === undefined ? undefined : address + this.#start + byteOffset
  }

  /** Whether a kernel's addresses are those of this region. @internal */
  isOf(kernel: Kernel): boolean {
    return this.#clock === kernel.clock
  }

  /** Takes the registers from other devices that have them, then unmaps them. Idempotent. */
  close(): void {
    closeAll([() => this.#endUse(), () => this.#closeWindow()])
  }

  /** Every device loses the registers before the window goes: what it then reached would be somebody else's. */
  #endUse(): void {
    const users = [...this.users].map((user) => () => user.close())
    const parts = [...this.#parts].map((part) => () => part.#endUse())
    closeAll([...users, ...parts])
  }

  #closeWindow(): void {
    if (this.closed) return
    // A window that cannot be unmapped leaves the region as it was, to be closed again.
    if (this.#ownsWindow) this.#window.close()
    this.#byteLength = 0
    for (const part of [...this.#parts]) part.close()
    this.#onClose()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #part(window: RegisterWindow, options: { name: string; byteOffset: number; byteLength: number }): IoRegion {
    const onClose = () => this.#parts.delete(part)
    const part: IoRegion = new IoRegion(window, {
      ...options,
      clock: this.#clock,
      ownsWindow: false,
      onClose,
    })
    this.#parts.add(part)
    return part
  }

  /**
   * Where in the window an access goes. `&` cuts off low bits and fraction: fractions, NaN and what is beyond 31 bits
   * all come out different.
   */
  // `private` and not `#`: at each call of a `#method` the engine checks the class once more.
  private check(byteOffset: number, width: number): number {
    const at = typeof byteOffset === 'number' ? this.#start + byteOffset : Number.NaN
    if ((at & -width) !== at || byteOffset < 0 || byteOffset > this.#byteLength - width) {
      this.#rangeError(byteOffset, width)
    }
    return at
  }

  /** To the compiler an address is opaque; at run time it has to be one, or a device would be sent to address 0. */
  #checkAddress(address: DmaAddress): void {
    const value: unknown = address
    if (Number.isSafeInteger(value) && (value as number) >= 0) return
    throw notAnAddress(this.name, value)
  }

  #rangeError(byteOffset: number, width: number): never {
    if (this.closed) throw new DmaError('DMA_CLOSED', `${this.name} is closed`)
    throw noSuchRegister(this.name, byteOffset, width, { start: this.#start, byteLength: this.#byteLength })
  }

  #valueError(value: unknown, bits: number): never {
    throw notAValue(this.name, value, bits)
  }
}
