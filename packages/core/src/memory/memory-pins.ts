import { isDmaError, type Kernel, type MemoryMapping } from '@linux-dma/native'
import { closeAll } from '../checks/close-all'
import type { DmaRegion } from '../mapping/region'
import { type ByteRange, covers, DmaPin, pageRange } from './pin'

/**
 * As many mappings that are apart get a pin each, which is a descriptor. From then on each pin is of four times as many pages
 * around what is wanted, so that a memory of whatever size has few.
 */
const SMALL_PINS = 4

/** What keeps the pages of one memory where they are: pins that a program asked for, and those that mappings hold. */
export class MemoryPins {
  /** Whether some of it was given to a device by where it lies, and nothing keeps it there: huge pages that may not be pinned. */
  movable = false
  readonly #kernel: Kernel
  readonly #mapping: () => MemoryMapping
  readonly #hugePageSize: number | undefined
  readonly #pins = new Set<DmaPin>()
  /** Pages around what is wanted that could not be locked: not tried again. */
  #tooMuch = Number.POSITIVE_INFINITY

  constructor(kernel: Kernel, mapping: () => MemoryMapping, hugePageSize: number | undefined) {
    this.#kernel = kernel
    this.#mapping = mapping
    this.#hugePageSize = hugePageSize
  }

  pin(byteOffset: number, byteLength: number): DmaPin {
    const pin = this.#kernel.pin(this.#mapping(), byteOffset, byteLength)
    return new DmaPin(pin, pageRange(byteOffset, byteLength, this.#kernel.pageSize), this.#pins)
  }

  /** A pin that somebody holds has to be released; undefined for huge pages that may not be pinned. */
  hold(byteOffset: number, byteLength: number): DmaPin | undefined {
    const range = pageRange(byteOffset, byteLength, this.#hugePageSize ?? this.#kernel.pageSize)
    const known = this.#pinOf(range)
    const pin = known ?? (this.#hugePageSize ? this.#pinHuge(range) : this.#pinAround(byteOffset, byteLength))
    if (pin === undefined) {
      this.movable = true
      return undefined
    }
    pin.hold()
    // One that was made here goes with the last mapping that holds it.
    if (!known) pin.close()
    return pin
  }

  /** Whether all pages of a range stay, by these pins or by devices that have them. */
  covers(byteOffset: number, byteLength: number, regions: ReadonlySet<DmaRegion>): boolean {
    if (this.#hugePageSize !== undefined) return true
    const range = pageRange(byteOffset, byteLength, this.#kernel.pageSize)
    if (this.#pinOf(range)) return true
    // No single pin has all of it: what they have between them, and devices.
    const ranges = [...this.#pins].map((pin) => pageRange(pin.byteOffset, pin.byteLength, 1))
    for (const region of regions) {
      if (!region.device.ops.pins) continue
      const mapped = pageRange(region.memoryOffset, region.byteLength, this.#kernel.pageSize)
      if (mapped.start <= range.start && mapped.end >= range.end) return true
      ranges.push(mapped)
    }
    return covers(ranges, range)
  }

  /** Ends all of them. */
  close(): void {
    closeAll([...this.#pins].map((pin) => () => pin.end()))
  }

  /** Whole huge pages, where this process may have an io_uring and may lock as much. */
  #pinHuge({ start, end }: ByteRange): DmaPin | undefined {
    try {
      return this.pin(start, end - start)
    } catch {
      return undefined
    }
  }

  /** A part and what lies around it; the part alone where there are few pins yet, or no more may be locked. */
  #pinAround(byteOffset: number, byteLength: number): DmaPin {
    const unit = this.#kernel.pageSize * 4 ** Math.min(this.#pins.size - SMALL_PINS + 2, 20)
    if (this.#pins.size < SMALL_PINS || unit >= this.#tooMuch) return this.pin(byteOffset, byteLength)
    const start = Math.floor(byteOffset / unit) * unit
    const end = Math.min(Math.ceil((byteOffset + byteLength) / unit) * unit, this.#mapping().byteLength)
    try {
      return this.pin(start, end - start)
    } catch (error) {
      if (!isDmaError(error, 'ENOMEM')) throw error
      this.#tooMuch = unit
      return this.pin(byteOffset, byteLength)
    }
  }

  /** A pin that has all of a range. */
  #pinOf(range: ByteRange): DmaPin | undefined {
    for (const pin of this.#pins) if (pin.covers(range)) return pin
    return undefined
  }
}
