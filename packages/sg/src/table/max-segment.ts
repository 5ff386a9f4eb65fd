import { DmaError } from '@linux-dma/core'

const LARGEST_LENGTH = 0xffff_ffff

/**
 * The longest that a segment may be: whole pages, as the kernel has it.
 * @param maxSegment bytes; undefined for what 32 bits hold
 * @throws DMA_INVALID_ARGUMENT for less than a page, or what is no 32-bit length
 */
export function wholePagesOf(maxSegment: number | undefined, pageSize: number): number {
  const asked = maxSegment ?? LARGEST_LENGTH
  if (Number.isInteger(asked) && asked >= pageSize && asked <= LARGEST_LENGTH)
    return asked - (asked % pageSize)
  throw new DmaError(
    'DMA_INVALID_ARGUMENT',
    `maxSegment is ${String(asked)}, not ${pageSize} (a page) to 2^32 - 1 bytes`,
    { hint: 'it is rounded down to whole pages; dmaGetMaxSegSize(device) is what a device takes' },
  )
}

/** @throws DMA_INVALID_ARGUMENT where `pageSize` is not a power of two from 4096 to 2^30 */
export function assertPageSize(pageSize: number): void {
  if (
    Number.isInteger(pageSize) &&
    pageSize >= 4096 &&
    pageSize <= 2 ** 30 &&
    (pageSize & (pageSize - 1)) === 0
  )
    return
  throw new DmaError(
    'DMA_INVALID_ARGUMENT',
    `pageSize ${String(pageSize)} is not a power of two from 4096 to 2^30`,
  )
}
