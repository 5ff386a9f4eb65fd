import {
  type DmaDevice,
  DmaError,
  type DmaMemory,
  type DmaRegion,
  type TransferDirection,
} from '@linux-dma/core'
import type { PageSource, PageSpace } from '../table/page-space'
import type { Segments } from '../table/segments'

/** Stands for a segment's address until there is one. */
export enum Pending {
  /** To be packed into a range of the IOMMU's. */
  Packed = -1,
  /** To be mapped by itself: copied, or on a path that has neither an IOMMU nor physical addresses. */
  Single = -2,
  /** To be given as its pages lie in physical memory. */
  Physical = -3,
}

/** Offset of a segment's first byte in its source. */
export function startOf(space: PageSpace, source: PageSource, segments: Segments, i: number): number {
  return (segments.pages[i]! - source.firstPage) * space.pageSize + segments.offsets[i]!
}

/** The region of a device that holds a part of a memory, for a direction. */
export function regionOf(
  memory: DmaMemory,
  device: DmaDevice,
  start: number,
  byteLength: number,
  direction: TransferDirection,
): DmaRegion | undefined {
  for (const region of memory.registered) {
    if (region.covers(device, start, byteLength, direction)) return region
  }
  return undefined
}

/** @throws DMA_INVALID_ARGUMENT for an empty segment; DMA_RANGE for one outside its buffer of `limit` bytes */
export function assertInside(i: number, start: number, byteLength: number, limit: number): void {
  if (byteLength === 0) throw emptySegment(i)
  if (start >= 0 && start + byteLength <= limit) return
  throw new DmaError('DMA_RANGE', `segment ${i} ends at byte ${start + byteLength} of a buffer of ${limit}`)
}

export function emptySegment(i: number): DmaError {
  return new DmaError('DMA_INVALID_ARGUMENT', `segment ${i} is empty: there is nothing to map`)
}

/** The highest address that gets from a device to memory. */
export function highestAddress({ dmaMask, ops }: DmaDevice): number {
  const { busLimit } = ops
  return Number(busLimit !== undefined && busLimit < dmaMask ? busLimit : dmaMask)
}
