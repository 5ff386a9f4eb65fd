import { assertOptions, assertRange, DmaError } from '@linux-dma/core'

/** Bytes of a BAR. */
export interface BarPart {
  /** Bytes from the BAR's start, a multiple of the page size. */
  byteOffset: number
  /** 1 to 2^31. */
  byteLength: number
}

/** An IoRegion's offsets are 31 bits wide. */
const LARGEST_WINDOW = 0x8000_0000

/**
 * The part of a BAR to open: all of it where none is named.
 * @throws DMA_RANGE, DMA_TOO_LARGE, DMA_INVALID_ARGUMENT
 */
export function checkBarPart(
  name: string,
  index: number,
  part: BarPart | undefined,
  limit: number,
  pageSize: number,
): BarPart {
  if (part !== undefined) checkPart(name, part, limit, pageSize)
  const { byteOffset, byteLength } = part ?? { byteOffset: 0, byteLength: limit }
  if (byteLength <= LARGEST_WINDOW) return { byteOffset, byteLength }
  throw new DmaError(
    'DMA_TOO_LARGE',
    `${name} has ${byteLength} bytes, and a region up to ${LARGEST_WINDOW}`,
    {
      hint: `take the part that is needed: device.bar(${index}, { byteOffset, byteLength })`,
    },
  )
}

function checkPart(name: string, part: BarPart, limit: number, pageSize: number): void {
  assertOptions('bar', part, ['byteOffset', 'byteLength'])
  assertRange(name, part.byteOffset, part.byteLength, limit)
  if (part.byteOffset % pageSize === 0) return
  throw new DmaError(
    'DMA_RANGE',
    `${name}: byteOffset ${part.byteOffset} is not a multiple of the page size, ${pageSize}`,
    {
      hint: 'map from the page before, and take a subRegion() of that',
    },
  )
}
