import { DmaError } from '@linux-dma/core'
import type { IovaRange } from './structs'

interface Extent {
  start: bigint
  /** First address after the extent. */
  end: bigint
}

/** From this size on, mappings are aligned so that the IOMMU can use its own large pages. */
const LARGE_PAGE = 0x20_0000n
/** Numbers hold addresses exactly up to here; nothing above is handed out. */
const EXACT_END = 1n << 53n

/**
 * Hands out ranges of IO virtual addresses, highest first below the mask, as the kernel's own allocator does. Page 0 is
 * never handed out: it is legal, but to many a device and driver address 0 means "none".
 */
export class IovaAllocator {
  /** Free space, ascending, neither touching nor overlapping. */
  readonly #free: Extent[]
  readonly #pageSize: bigint

  /**
   * @param ranges where the IOMMU takes mappings
   * @param pageSize bytes in the unit of allocation, a power of two
   */
  constructor(ranges: readonly IovaRange[], pageSize: number) {
    this.#pageSize = BigInt(pageSize)
    this.#free = ranges
      .map(({ first, last }) => ({ start: this.#roundUp(first), end: this.#roundDown(last + 1n) }))
      .map(({ start, end }) => ({
        start: start === 0n ? this.#pageSize : start,
        end: end > EXACT_END ? EXACT_END : end,
      }))
      .filter(({ start, end }) => start < end)
      .sort((a, b) => (a.start < b.start ? -1 : 1))
  }

  /** Whether at least one page lies at or below `mask`, free or not at present. */
  static reaches(ranges: readonly IovaRange[], pageSize: number, mask: bigint): boolean {
    return new IovaAllocator(ranges, pageSize).#free.some(
      ({ start }) => start + BigInt(pageSize) - 1n <= mask,
    )
  }

  /** Free bytes at or below `mask`, in all. */
  freeBytes(mask: bigint): bigint {
    let total = 0n
    for (const { start, end } of this.#free) {
      const limit = end <= mask + 1n ? end : mask + 1n
      if (limit > start) total += limit - start
    }
    return total
  }

  /**
   * Takes the highest free range whose last byte is at or below `mask`.
   * @param byteLength a multiple of the page size
   * @throws ENOSPC where none is long enough
   */
  allocate(byteLength: number, mask: bigint): bigint {
    const size = BigInt(byteLength)
    const alignment = size >= LARGE_PAGE ? LARGE_PAGE : this.#pageSize
    for (let i = this.#free.length - 1; i >= 0; i--) {
      const extent = this.#free[i]!
      const limit = extent.end <= mask + 1n ? extent.end : mask + 1n
      const start = limit >= size ? ((limit - size) / alignment) * alignment : -1n
      if (start < extent.start) continue
      this.#carve(i, start, start + size)
      return start
    }
    throw new DmaError(
      'ENOSPC',
      `no ${byteLength} free bytes of IO virtual address below 0x${mask.toString(16)}`,
      {
        hint: `${this.freeBytes(mask)} bytes are free there in pieces: unmap what is done with, or set a wider mask`,
      },
    )
  }

  /** Gives a range back, exactly as it was allocated. */
  release(start: bigint, byteLength: number): void {
    const end = start + BigInt(byteLength)
    let i = this.#firstAfter(start)
    const before = this.#free[i - 1]
    const after = this.#free[i]
    if ((before && before.end > start) || (after && after.start < end)) {
      throw new DmaError('DMA_NOT_MAPPED', `IO virtual address 0x${start.toString(16)} is released twice`)
    }
    if (before && before.end === start) {
      before.end = end
      i--
    } else {
      this.#free.splice(i, 0, { start, end })
    }
    const merged = this.#free[i]!
    if (after && after.start === merged.end) {
      merged.end = after.end
      this.#free.splice(i + 1, 1)
    }
  }

  #carve(i: number, start: bigint, end: bigint): void {
    const extent = this.#free[i]!
    const rest: Extent[] = []
    if (extent.start < start) rest.push({ start: extent.start, end: start })
    if (end < extent.end) rest.push({ start: end, end: extent.end })
    this.#free.splice(i, 1, ...rest)
  }

  /** Index of the first free extent that starts after `address`. */
  #firstAfter(address: bigint): number {
    let low = 0
    let high = this.#free.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#free[middle]!.start > address) high = middle
      else low = middle + 1
    }
    return low
  }

  #roundUp(value: bigint): bigint {
    return ((value + this.#pageSize - 1n) / this.#pageSize) * this.#pageSize
  }

  #roundDown(value: bigint): bigint {
    return (value / this.#pageSize) * this.#pageSize
  }
}
