import { assertOptions, DmaError } from '@linux-dma/core'
import type { PageSpace } from './page-space'
import { Segments } from './segments'

/** One segment of memory: see {@link SgTable.fromSegments}. */
export interface SgSegmentInit {
  /** The page that the offset is counted from. */
  readonly page: number
  /** Bytes from the start of the page on; it may lie beyond that page. Default 0. */
  readonly byteOffset?: number
  /** Bytes, 1 or more. */
  readonly byteLength: number
}

/** What 32 bits hold of whole pages. */
const LARGEST_END = 0xffff_f000

/**
 * Segments just as they are given: nothing is merged, and nothing split.
 * @throws DMA_INVALID_ARGUMENT for none; DMA_RANGE for one that is no memory of the space; DMA_NO_FRAME
 */
export function segmentsFrom(list: readonly SgSegmentInit[], space: PageSpace): Segments {
  if (!Array.isArray(list) || list.length === 0) {
    throw new DmaError('DMA_INVALID_ARGUMENT', 'the segments are no array of one or more', {
      hint: 'pass [{ page, byteOffset, byteLength }, …]',
    })
  }
  const segments = new Segments(list.length)
  for (let i = 0; i < list.length; i++) {
    const segment = list[i] as SgSegmentInit
    assertOptions(`segment ${i}`, segment, ['page', 'byteOffset', 'byteLength'])
    const { page, byteOffset = 0, byteLength } = segment
    assertSegment(i, page, byteOffset, byteLength, space)
    segments.push(page, byteOffset, byteLength)
  }
  return segments.trim()
}

function assertSegment(
  i: number,
  page: number,
  byteOffset: number,
  byteLength: number,
  space: PageSpace,
): void {
  const bytes = byteOffset + byteLength
  const whole = Number.isInteger(page) && Number.isInteger(byteOffset) && Number.isInteger(byteLength)
  if (!(whole && page >= 0 && byteOffset >= 0 && byteLength > 0 && bytes <= LARGEST_END)) {
    throw new DmaError(
      'DMA_RANGE',
      `segment ${i}: ${String(byteLength)} bytes from byte ${String(byteOffset)} of page ${String(page)} on`,
      {
        hint: 'all three are whole numbers, the length 1 or more, offset and length together below 2^32 - 4095',
      },
    )
  }
  if (page < space.lowestPage) {
    throw new DmaError('DMA_NO_FRAME', `segment ${i}: frame ${page} is no memory for a device`, {
      hint: 'a frame number of 0 is what the kernel answers to those who may not know: CAP_SYS_ADMIN is needed',
    })
  }
  if (page * space.pageSize + bytes <= space.endPage * space.pageSize) return
  throw new DmaError('DMA_RANGE', `segment ${i} ends beyond page ${space.endPage - 1}, the last one`, {
    hint: `pages are counted from 0, and have ${space.pageSize} bytes each`,
  })
}
