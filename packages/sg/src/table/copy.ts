import { bufferOf, DmaError } from '@linux-dma/core'
import type { PageSource, PageSpace } from './page-space'
import type { Segments } from './segments'

/**
 * Which way bytes go between a table and a linear buffer.
 */
enum Way {
  ToBuffer = 0,
  FromBuffer = 1,
  Zero = 2,
}

const NO_BYTES = new Uint8Array(0)

/** @returns bytes copied: fewer than the buffer has where the table ends before, 0 where it ends before `skip` */
export function copyToBuffer(
  space: PageSpace,
  segments: Segments,
  buffer: ArrayBufferView,
  skip: number,
): number {
  const bytes = bytesOf(buffer)
  return walk(space, segments, Way.ToBuffer, bytes, bytes.byteLength, skip)
}

/** @returns bytes copied, as {@link copyToBuffer} */
export function copyFromBuffer(
  space: PageSpace,
  segments: Segments,
  buffer: ArrayBufferView,
  skip: number,
): number {
  const bytes = bytesOf(buffer)
  return walk(space, segments, Way.FromBuffer, bytes, bytes.byteLength, skip)
}

/** @returns bytes zeroed, as {@link copyToBuffer} */
export function zero(space: PageSpace, segments: Segments, byteLength: number, skip: number): number {
  if (Number.isSafeInteger(byteLength) && byteLength >= 0) {
    return walk(space, segments, Way.Zero, NO_BYTES, byteLength, skip)
  }
  throw new DmaError('DMA_RANGE', `zero: byteLength ${String(byteLength)} is not 0 or more whole bytes`)
}

/** The bytes of a view of any kind, wherever it lies. */
function bytesOf(buffer: ArrayBufferView): Uint8Array {
  const { range } = bufferOf(buffer)
  return new Uint8Array(range.buffer, range.byteOffset, range.byteLength)
}

function walk(
  space: PageSpace,
  segments: Segments,
  way: Way,
  buffer: Uint8Array,
  byteLength: number,
  skip: number,
): number {
  if (!(Number.isSafeInteger(skip) && skip >= 0)) {
    throw new DmaError('DMA_RANGE', `skip ${String(skip)} is not 0 or more whole bytes`)
  }
  const { pages, offsets, lengths, count } = segments
  let first = 0
  let begin = skip
  while (first < count && begin >= lengths[first]!) begin -= lengths[first++]!
  assertReachable(space, segments, first, begin + byteLength)
  let done = 0
  for (let i = first; i < count && done < byteLength; i++) {
    const length = Math.min(lengths[i]! - begin, byteLength - done)
    const source = space.sourceOf(pages[i]!)
    const start = (pages[i]! - source.firstPage) * space.pageSize + offsets[i]! + begin
    if (way === Way.ToBuffer) buffer.set(source.bytes.subarray(start, start + length), done)
    else if (way === Way.FromBuffer) source.bytes.set(buffer.subarray(done, done + length), start)
    else source.bytes.fill(0, start, start + length)
    done += length
    begin = 0
  }
  return done
}

/** Says before the first byte is copied that a source is gone. */
function assertReachable(
  space: PageSpace,
  { pages, lengths, count }: Segments,
  first: number,
  byteLength: number,
): void {
  let source: PageSource | undefined
  let left = byteLength
  for (let i = first; i < count && left > 0; i++) {
    const next = space.sourceOf(pages[i]!)
    if (next !== source) next.bytes
    source = next
    left -= lengths[i]!
  }
}
