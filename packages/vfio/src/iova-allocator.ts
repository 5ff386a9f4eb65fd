import { DmaError } from '@linux-dma/core'
import type { IovaRange } from './structs'

interface Extent {
  start: number
  /** First address after the extent. */
  end: number
}

/** From this size on, mappings are aligned, where there is room, so that the IOMMU can use its own large pages. */
const LARGE_PAGE = 0x20_0000
/** Numbers hold addresses exactly up to here; nothing above is handed out. */
const EXACT_END = 2 ** 53

/**
 * Hands out ranges of IO virtual addresses, highest first below the mask, as the kernel's own allocator does. Page 0 is
 * never handed out: it is legal, but to many a device and driver address 0 means "none".
 */
export class IovaAllocator {
  /** Free space, ascending, neither touching nor overlapping. */
  readonly #free: Extent[]
  readonly #pageSize: number

  /**
   * @param ranges where the IOMMU takes mappings
   * @param pageSize bytes in the unit of allocation, a power of two
   */
  constructor(ranges: readonly IovaRange[], pageSize: number) {
    this.#pageSize = pageSize
    this.#free = ranges
      .map(({ first, last }) => ({
        start: roundUp(clip(first), pageSize),
        end: roundDown(clip(last + 1n), pageSize),
      }))
      .map(({ start, end }) => ({ start: Math.max(start, pageSize), end }))
      .filter(({ start, end }) => start < end)
      .sort((a, b) => a.start - b.start)
  }

  /** Whether at least one page lies at or below `mask`, free or not at present. */
  static reaches(ranges: readonly IovaRange[], pageSize: number, mask: bigint): boolean {
    return new IovaAllocator(ranges, pageSize).#free.some(({ start }) => start + pageSize <= clip(mask + 1n))
  }

  /** Free bytes at or below `mask`, in all. */
  freeBytes(mask: bigint): number {
    const limit = clip(mask + 1n)
    return this.#free.reduce((total, { start, end }) => total + Math.max(0, Math.min(end, limit) - start), 0)
  }

  /** Bytes in the longest free range at or below `mask`. */
  longestFree(mask: bigint): number {
    const limit = clip(mask + 1n)
    return this.#free.reduce((longest, { start, end }) => Math.max(longest, Math.min(end, limit) - start), 0)
  }

  /**
   * Takes the highest free range whose last byte is at or below `mask`.
   * @param byteLength a multiple of the page size
   * @param alignment of its start: a power of two, the page size or more
   * @throws ENOSPC where none is long enough
   */
  allocate(byteLength: number, mask: bigint, alignment = this.#pageSize): number {
    const limit = clip(mask + 1n)
    const large = byteLength >= LARGE_PAGE && alignment < LARGE_PAGE
    const best = large ? this.#allocateAligned(byteLength, limit, LARGE_PAGE) : -1
    const start = best >= 0 ? best : this.#allocateAligned(byteLength, limit, alignment)
    if (start >= 0) return start
    throw new DmaError(
      'ENOSPC',
      `no ${byteLength} free bytes of IO virtual address below 0x${mask.toString(16)}`,
      {
        hint: `${this.freeBytes(mask)} bytes are free there, the longest range has ${this.longestFree(mask)}: map less at a time, unmap what is done with, or set a wider mask`,
      },
    )
  }

  /** Gives a range back, exactly as it was allocated. */
  release(start: number, byteLength: number): void {
    const end = start + byteLength
    const i = this.#firstAfter(start)
    const before = this.#free[i - 1]
    const after = this.#free[i]
    if ((before && before.end > start) || (after && after.start < end)) {
      throw new DmaError('DMA_NOT_MAPPED', `IO virtual address 0x${start.toString(16)} is released twice`)
    }
    const joinsBefore = before?.end === start
    const joinsAfter = after?.start === end
    if (joinsBefore && joinsAfter) {
      before.end = after.end
      this.#free.splice(i, 1)
    } else if (joinsBefore) {
      before.end = end
    } else if (joinsAfter) {
      after.start = start
    } else {
      this.#free.splice(i, 0, { start, end })
    }
  }

  /** The start of the range that was taken, -1 where there is none. Looks at every free extent in the worst case. */
  #allocateAligned(byteLength: number, limit: number, alignment: number): number {
    for (let i = this.#free.length - 1; i >= 0; i--) {
      const extent = this.#free[i]!
      const start = roundDown(Math.min(extent.end, limit) - byteLength, alignment)
      if (start < extent.start) continue
      this.#carve(i, start, start + byteLength)
      return start
    }
    return -1
  }

  /** Takes [start, end) out of a free extent that holds it. */
  #carve(i: number, start: number, end: number): void {
    const extent = this.#free[i]!
    if (extent.start === start && extent.end === end) {
      this.#free.splice(i, 1)
    } else if (extent.end === end) {
      extent.end = start
    } else {
      if (extent.start < start) this.#free.splice(i, 0, { start: extent.start, end: start })
      extent.start = end
    }
  }

  /** Index of the first free extent that starts after `address`. */
  #firstAfter(address: number): number {
    let low = 0
    let high = this.#free.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#free[middle]!.start > address) high = middle
      else low = middle + 1
    }
    return low
  }
}

function clip(address: bigint): number {
  return Math.min(Number(address), EXACT_END)
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}

function roundDown(value: number, unit: number): number {
  return Math.floor(value / unit) * unit
}
