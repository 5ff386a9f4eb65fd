import { DmaError } from '@linux-dma/core'
import type { PageSpace } from './page-space'
import type { Segments } from './segments'

/** How many pages share a segment, by a first guess: it decides how often the arrays grow, and nothing else. */
const PAGES_PER_SEGMENT = 8

/**
 * Appends a segment for each run of consecutive numbers from `numbers[first]` up to `numbers[end]`, which is not part of
 * it: whole pages, no longer than `maxSegment`. The limit is computed once for each segment, and nothing but the number
 * is looked at for each page.
 * @throws DMA_RANGE, DMA_NO_FRAME for a page that `space` has not; segments may have been appended by then
 */
export function appendRuns(
  segments: Segments,
  space: PageSpace,
  numbers: Int32Array,
  first: number,
  end: number,
  maxSegment: number,
): void {
  const { pageSize, lowestPage, endPage } = space
  // Integers of 32 bits throughout, and said to be: the engine then checks no sum for overflow.
  const pagesPerSegment = (maxSegment / pageSize) | 0
  segments.reserve(Math.ceil((end - first) / Math.min(pagesPerSegment, PAGES_PER_SEGMENT)))
  let outPages = segments.pages
  let outLengths = segments.lengths
  let count = segments.count
  let i = first
  while (i < end) {
    const limit = end - i > pagesPerSegment ? (i + pagesPerSegment) | 0 : end
    const page = numbers[i]!
    const next = endOfRun(numbers, i, limit)
    if (page >>> 0 < lowestPage || (page >>> 0) + (next - i) > endPage) {
      throw noSuchPage(space, Math.max(page >>> 0, endPage))
    }
    if (count === outPages.length) {
      segments.count = count
      segments.reserve(1)
      outPages = segments.pages
      outLengths = segments.lengths
    }
    outPages[count] = page
    outLengths[count] = (next - i) * pageSize
    count++
    i = next
  }
  segments.count = count
}

/** Where a run that begins at `first` ends: at `limit` at the latest. */
function endOfRun(numbers: Int32Array, first: number, limit: number): number {
  // A number less its index is the same all through a run.
  const distance = (numbers[first]! - first) | 0
  let next = (first + 1) | 0
  // Four for each look at the limit: the looks cost as much as the numbers.
  while (next < limit - 3) {
    if (((numbers[next]! - next) | 0) !== distance) return next
    next = (next + 1) | 0
    if (((numbers[next]! - next) | 0) !== distance) return next
    next = (next + 1) | 0
    if (((numbers[next]! - next) | 0) !== distance) return next
    next = (next + 1) | 0
    if (((numbers[next]! - next) | 0) !== distance) return next
    next = (next + 1) | 0
  }
  while (next < limit && ((numbers[next]! - next) | 0) === distance) next = (next + 1) | 0
  return next
}

/**
 * Adds to the last segment the pages that follow it, while it stays within its limit.
 * @returns how many pages it took
 */
export function growLast(
  { pages, offsets, lengths, count }: Segments,
  space: PageSpace,
  numbers: Int32Array,
  end: number,
  maxSegment: number,
): number {
  if (count === 0) return 0
  const { pageSize, endPage } = space
  const last = count - 1
  const bytes = offsets[last]! + lengths[last]!
  // Trimmed in the middle of a page: what follows leaves a gap.
  if (bytes % pageSize !== 0) return 0
  let page = pages[last]! + bytes / pageSize
  let length = lengths[last]!
  let taken = 0
  while (taken < end && page < endPage && numbers[taken]! >>> 0 === page && length + pageSize <= maxSegment) {
    length += pageSize
    page++
    taken++
  }
  lengths[last] = length
  return taken
}

function noSuchPage(space: PageSpace, page: number): DmaError {
  if (space.physical) {
    return new DmaError('DMA_NO_FRAME', 'frame 0 is no memory for a device', {
      hint: 'a frame number of 0 is what the kernel answers to those who may not know: CAP_SYS_ADMIN is needed',
    })
  }
  return new DmaError('DMA_RANGE', `page ${page} is not one of the memory’s ${space.endPage} pages`, {
    hint: `pages are counted from 0, and have ${space.pageSize} bytes each`,
  })
}
