import { bufferOf, DmaError, type DmaMemory } from '@linux-dma/core'
import { type BufferSource, BufferSpaceBuilder } from './buffer-space'
import { wholePagesOf } from './max-segment'
import type { PageSpace } from './page-space'
import { Segments } from './segments'

/** Bytes in a page where none of the buffers is DMA memory, which would say. */
const HEAP_PAGE_SIZE = 4096

/** A view, looked at once: what it says of itself later is of no interest. */
interface Piece {
  readonly memory: DmaMemory | undefined
  readonly buffer: ArrayBufferLike
  readonly byteOffset: number
  readonly byteLength: number
}

/**
 * Segments of buffers, in their order. Bytes that follow each other in the same memory share a segment, as if they had
 * come in one view.
 * @throws DMA_INVALID_ARGUMENT, DMA_RANGE, DMA_DETACHED, DMA_RESIZABLE, DMA_CLOSED, DMA_QUARANTINED
 */
export function segmentsFromBuffers(
  views: readonly ArrayBufferView[],
  maxSegment: number | undefined,
): { space: PageSpace; segments: Segments } {
  const pieces = piecesOf(views)
  const pageSize = pageSizeOf(pieces)
  const longest = wholePagesOf(maxSegment, pageSize)
  const builder = new BufferSpaceBuilder(pageSize)
  const segments = new Segments()
  for (const { memory, buffer, byteOffset, byteLength } of pieces) {
    appendBytes(segments, builder.add(memory, buffer), byteOffset, byteLength, pageSize, longest)
  }
  return { space: builder.build(), segments: segments.trim() }
}

function piecesOf(views: readonly ArrayBufferView[]): Piece[] {
  if (!Array.isArray(views) || views.length === 0) {
    throw new DmaError('DMA_INVALID_ARGUMENT', 'the buffers are no array of one or more views', {
      hint: 'pass a list, also of one: SgTable.fromBuffers([bytes])',
    })
  }
  return Array.from(views, (view: ArrayBufferView, i) => {
    const { memory, range } = bufferOf(view)
    if (range.byteLength > 0) return { memory, ...range }
    throw new DmaError('DMA_RANGE', `buffer ${i} is empty`, {
      hint: 'leave it out: a segment has a byte or more',
    })
  })
}

function pageSizeOf(pieces: readonly Piece[]): number {
  const sizes = new Set(pieces.flatMap(({ memory }) => (memory ? [memory.kernel.pageSize] : [])))
  if (sizes.size < 2) return [...sizes][0] ?? HEAP_PAGE_SIZE
  throw new DmaError('DMA_INVALID_ARGUMENT', `the buffers have pages of ${[...sizes].join(' and ')} bytes`, {
    hint: 'buffers of different kernels go into different tables',
  })
}

function appendBytes(
  segments: Segments,
  source: BufferSource,
  byteOffset: number,
  byteLength: number,
  pageSize: number,
  longest: number,
): void {
  const taken = growBack(segments, source, byteOffset, byteLength, pageSize, longest)
  let start = byteOffset + taken
  const end = byteOffset + byteLength
  while (start < end) {
    const offset = start % pageSize
    const length = Math.min(end - start, longest - offset)
    segments.push(source.firstPage + (start - offset) / pageSize, offset, length)
    start += length
  }
}

/** Adds to the last segment what follows it at once, up to its limit. @returns bytes */
function growBack(
  { pages, offsets, lengths, count }: Segments,
  source: BufferSource,
  byteOffset: number,
  byteLength: number,
  pageSize: number,
  longest: number,
): number {
  if (count === 0) return 0
  const last = count - 1
  const bytes = offsets[last]! + lengths[last]!
  // Sources are a page number apart, so that this is never the end of another one.
  if (pages[last]! * pageSize + bytes !== source.firstPage * pageSize + byteOffset) return 0
  const taken = Math.min(byteLength, longest - bytes)
  lengths[last]! += taken
  return taken
}
