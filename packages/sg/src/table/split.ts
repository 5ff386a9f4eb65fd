import { assertOptions, DmaError } from '@linux-dma/core'
import { Segments } from './segments'

/** How to divide a table: see {@link SgTable.split}. */
export interface SgSplitOptions {
  /** Bytes at the front that belong to no part. Default 0. */
  skip?: number
  /** Bytes in each part, 1 or more. Those behind the last one belong to no part. */
  sizes: readonly number[]
}

/**
 * Divides segments into parts of the sizes asked for. A part begins and ends within a segment where it has to, and with
 * whole ones in between.
 * @param byteLength of all segments
 * @throws DMA_INVALID_ARGUMENT, DMA_RANGE
 */
export function splitSegments(segments: Segments, byteLength: number, options: SgSplitOptions): Segments[] {
  assertOptions('split', options, ['skip', 'sizes'])
  const { skip = 0 } = options
  const sizes = sizesOf(options.sizes)
  const wanted = sizes.reduce((total, size) => total + size, 0)
  if (!(Number.isSafeInteger(skip) && skip >= 0 && skip + wanted <= byteLength)) {
    throw new DmaError(
      'DMA_RANGE',
      `skip ${String(skip)} and ${wanted} bytes of parts: the table has ${byteLength}`,
      {
        hint: 'skip and sizes together are the table’s byteLength or less',
      },
    )
  }
  const { pages, offsets, lengths } = segments
  let i = 0
  let begin = skip
  while (begin >= lengths[i]!) begin -= lengths[i++]!
  return sizes.map((size) => {
    const part = new Segments(4)
    let left = size
    while (left > 0) {
      const length = Math.min(left, lengths[i]! - begin)
      part.push(pages[i]!, offsets[i]! + begin, length)
      left -= length
      begin += length
      if (begin === lengths[i]) {
        begin = 0
        i++
      }
    }
    return part.trim()
  })
}

function sizesOf(sizes: readonly number[]): number[] {
  if (!Array.isArray(sizes) || sizes.length === 0) {
    throw new DmaError('DMA_INVALID_ARGUMENT', 'split: sizes is no array of one or more byte lengths', {
      hint: 'pass { sizes: [512, 4096] }, the bytes of each part',
    })
  }
  const copy: number[] = Array.from(sizes)
  const wrong = copy.findIndex((size) => !(Number.isSafeInteger(size) && size > 0))
  if (wrong < 0) return copy
  throw new DmaError(
    'DMA_INVALID_ARGUMENT',
    `split: sizes[${wrong}] is ${String(copy[wrong])}, not 1 byte or more`,
  )
}
