import { isDmaError } from '@linux-dma/core'

/** What a map meets where others have the slots, the addresses, or the pages that may be locked. */
const FULL = new Set(['DMA_BOUNCE_FULL', 'ENOSPC', 'ENOMEM'])

/** Whether a table could not be mapped for want of room, which comes free when another one is unmapped. */
export function isFull(error: unknown): boolean {
  if (!isDmaError(error)) return false
  if (FULL.has(error.code)) return true
  // One segment of several: the table's own error is EIO.
  return error.code === 'EIO' && isDmaError(error.cause) && FULL.has(error.cause.code)
}
