import { DmaError, DmaMemory } from '@linux-dma/core'
import { BufferSpaceBuilder } from './buffer-space'
import { assertPageSize, wholePagesOf } from './max-segment'
import { pageNumbersOf } from './page-numbers'
import { appendRuns, growLast } from './page-runs'
import type { PageSpace } from './page-space'
import { PhysicalSpace } from './physical-space'
import { Segments } from './segments'

/** What page numbers mean, where they are not those of buffers. */
export interface PageSpaceOptions {
  /** The numbers are pages of this memory, counted from 0. Left out: frames of the machine's physical memory. */
  memory?: DmaMemory
  /** Bytes in a page, a power of two. Default: the memory's own, 4096 for frames. */
  pageSize?: number
}

/** Which bytes of the pages, and in which segments. */
export interface PageRangeOptions {
  /** Where in the first page the bytes begin, 0 to a page less one. Default 0. */
  byteOffset?: number
  /** Bytes from there on; pages behind the last of them are not used. Default: to the end of the last page. */
  byteLength?: number
  /** Bytes in the longest segment, rounded down to whole pages. Default: what 32 bits hold. */
  maxSegment?: number
}

/** See {@link SgTable.fromPages}. */
export interface FromPagesOptions extends PageSpaceOptions, PageRangeOptions {}

export const SPACE_OPTIONS = ['memory', 'pageSize'] as const
export const RANGE_OPTIONS = ['byteOffset', 'byteLength', 'maxSegment'] as const
const DEFAULT_PAGE_SIZE = 4096

/** @throws DMA_INVALID_ARGUMENT; DMA_CLOSED, DMA_QUARANTINED for memory that is */
export function pageSpaceOf({ memory, pageSize }: PageSpaceOptions): PageSpace {
  if (memory === undefined) {
    assertPageSize(pageSize ?? DEFAULT_PAGE_SIZE)
    return new PhysicalSpace(pageSize ?? DEFAULT_PAGE_SIZE)
  }
  if (!(memory instanceof DmaMemory)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `memory: ${String(memory)} is no DmaMemory`, {
      hint: 'allocateDmaMemory() gives one, memoryOf(view).memory too; of plain buffers use SgTable.fromBuffers()',
    })
  }
  memory.assertOpen()
  const own = memory.kernel.pageSize
  if (pageSize !== undefined && pageSize !== own) {
    throw new DmaError(
      'DMA_INVALID_ARGUMENT',
      `pageSize ${String(pageSize)}: the memory’s pages have ${own} bytes`,
      {
        hint: 'leave it out: it is for frame numbers',
      },
    )
  }
  const builder = new BufferSpaceBuilder(own)
  builder.add(memory)
  return builder.build()
}

/**
 * Segments of pages: consecutive numbers share one, the first begins at the offset, the last ends with the bytes.
 * @throws DMA_INVALID_ARGUMENT, DMA_RANGE, DMA_NO_FRAME
 */
export function segmentsFromPages(
  pages: Uint32Array | readonly number[],
  space: PageSpace,
  { byteOffset = 0, byteLength, maxSegment }: PageRangeOptions,
): Segments {
  const segments = new Segments(0)
  appendPages(segments, pages, space, byteOffset, byteLength, maxSegment)
  return segments.trim()
}

/** @internal What {@link segmentsFromPages} does, into segments that may be there already. */
export function appendPages(
  segments: Segments,
  pages: Uint32Array | readonly number[],
  space: PageSpace,
  byteOffset: number,
  byteLength: number | undefined,
  maxSegment: number | undefined,
): void {
  const { pageSize } = space
  const longest = wholePagesOf(maxSegment, pageSize)
  const numbers = pageNumbersOf(pages)
  const room = numbers.length * pageSize - byteOffset
  if (!(Number.isInteger(byteOffset) && byteOffset >= 0 && byteOffset < pageSize)) {
    throw new DmaError('DMA_RANGE', `byteOffset ${String(byteOffset)} is not inside the first page`, {
      hint: `leave out the pages before it; a page has ${pageSize} bytes`,
    })
  }
  const wanted = byteLength ?? room
  if (!(Number.isSafeInteger(wanted) && wanted > 0 && wanted <= room)) {
    throw new DmaError('DMA_RANGE', `byteLength ${String(wanted)} is not 1 to the ${room} bytes of the pages`)
  }
  const end = Math.ceil((byteOffset + wanted) / pageSize)
  const surplus = end * pageSize - byteOffset - wanted
  const before = segments.count
  const lengthBefore = before > 0 ? segments.lengths[before - 1]! : 0
  try {
    const first = growLast(segments, space, numbers, end, longest)
    if (first < end) appendRuns(segments, space, numbers, first, end, longest)
  } catch (error) {
    segments.truncate(before)
    if (before > 0) segments.lengths[before - 1] = lengthBefore
    throw error
  }
  if (byteOffset > 0) {
    segments.offsets[before] = byteOffset
    segments.lengths[before]! -= byteOffset
  }
  segments.lengths[segments.count - 1]! -= surplus
}
