import { DmaError } from '@linux-dma/core'
import { SgTable, segmentsOf, spaceOf } from './sg-table'

/** What a walk over a table's bytes is for: flags to be joined by `|`, with the values of the kernel's `SG_MITER_…`. */
export const SgMiterFlag = {
  /** No sleeping between the steps. Nothing here could; taken and of no effect. */
  Atomic: 1 << 0,
  /** The steps are written to. */
  ToSg: 1 << 1,
  /** The steps are read. */
  FromSg: 1 << 2,
} as const

const KNOWN = SgMiterFlag.Atomic | SgMiterFlag.ToSg | SgMiterFlag.FromSg
const NO_BYTES = new Uint8Array(0)

/**
 * Walks the bytes of a table in steps of a page or less: the kernel's `struct sg_mapping_iter`. A step of which less is
 * `consumed` than it has is followed by its rest.
 * @example
 * ```ts
 * const miter = new SgMiter(table, SgMiterFlag.FromSg)
 * while (miter.next()) miter.consumed = parser.push(miter.bytes)
 * for (const { bytes } of new SgMiter(table, SgMiterFlag.ToSg)) bytes.fill(0xff)
 * ```
 */
export class SgMiter {
  readonly #table: SgTable
  /** The segment of the next step, and where in it that begins. */
  #index = 0
  #position = 0
  #bytes: Uint8Array = NO_BYTES
  #page = 0
  #consumed = 0

  /**
   * Mirrors `sg_miter_start()`.
   * @param flags `SgMiterFlag.ToSg`, `FromSg`, or both
   * @throws DMA_INVALID_ARGUMENT without a direction, or for what is no table; DMA_NO_CPU_VIEW for a table of frames
   */
  constructor(table: SgTable, flags: number) {
    if (
      !Number.isInteger(flags) ||
      (flags & ~KNOWN) !== 0 ||
      (flags & (SgMiterFlag.ToSg | SgMiterFlag.FromSg)) === 0
    ) {
      throw new DmaError('DMA_INVALID_ARGUMENT', `SgMiter: flags ${String(flags)} name no direction`, {
        hint: 'pass SgMiterFlag.ToSg to write, SgMiterFlag.FromSg to read, or both joined by |',
      })
    }
    if (!(table instanceof SgTable)) {
      throw new DmaError('DMA_INVALID_ARGUMENT', `SgMiter: ${typeof table} is no scatterlist`, {
        hint: 'make one with SgTable.fromBuffers(views), or pass the table of a mapped one: mapped.table',
      })
    }
    if (spaceOf(table).physical) table.bytesAt(0)
    this.#table = table
  }

  /** The bytes of this step, none before the first and after the last. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** The page that they lie in. */
  get page(): number {
    return this.#page
  }

  /** Bytes in this step. */
  get byteLength(): number {
    return this.#bytes.byteLength
  }

  /** Bytes of this step that are done with: all, unless it is set lower before the next. */
  get consumed(): number {
    return this.#consumed
  }

  /** @throws DMA_RANGE where it is not 0 to {@link byteLength} */
  set consumed(byteLength: number) {
    if (!(Number.isInteger(byteLength) && byteLength >= 0 && byteLength <= this.byteLength)) {
      throw new DmaError('DMA_RANGE', `consumed ${String(byteLength)} of a step of ${this.byteLength} bytes`)
    }
    this.#consumed = byteLength
  }

  /**
   * Goes on to the next step. Mirrors `sg_miter_next()`.
   * @returns whether there is one
   * @throws DMA_CLOSED, DMA_QUARANTINED, DMA_DETACHED where the memory is gone
   */
  next(): boolean {
    this.stop()
    const segments = segmentsOf(this.#table)
    const space = spaceOf(this.#table)
    if (this.#index >= segments.count) return false
    const { pageSize } = space
    const page = segments.pages[this.#index]!
    const offset = segments.offsets[this.#index]! + this.#position
    const length = Math.min(pageSize - (offset % pageSize), segments.lengths[this.#index]! - this.#position)
    const source = space.sourceOf(page)
    const start = (page - source.firstPage) * pageSize + offset
    this.#bytes = source.bytes.subarray(start, start + length)
    this.#page = page + Math.floor(offset / pageSize)
    this.#consumed = length
    return true
  }

  /**
   * Goes on by so many bytes, from where the last step was done with. Mirrors `sg_miter_skip()`.
   * @returns false where the table ends before
   * @throws DMA_RANGE for what is not 0 or more whole bytes
   */
  skip(byteLength: number): boolean {
    if (!(Number.isSafeInteger(byteLength) && byteLength >= 0)) {
      throw new DmaError('DMA_RANGE', `skip ${String(byteLength)} is not 0 or more whole bytes`)
    }
    this.stop()
    return this.#advance(byteLength)
  }

  /** Lets go of this step; the next one begins behind what was consumed of it. Mirrors `sg_miter_stop()`. */
  stop(): void {
    this.#advance(this.#consumed)
    this.#bytes = NO_BYTES
    this.#consumed = 0
  }

  /** Goes through the steps that are left, each time with this object as what there is now. */
  *[Symbol.iterator](): Generator<this, void, void> {
    try {
      while (this.next()) yield this
    } finally {
      this.stop()
    }
  }

  #advance(byteLength: number): boolean {
    const { lengths, count } = segmentsOf(this.#table)
    let left = byteLength
    while (this.#index < count) {
      const room = lengths[this.#index]! - this.#position
      if (left < room) {
        this.#position += left
        return true
      }
      left -= room
      this.#index++
      this.#position = 0
    }
    return left === 0
  }
}
