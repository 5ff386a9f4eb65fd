import { DmaError } from '@linux-dma/core'
import type { OrigNents } from './counts'
import type { Segments } from './segments'

/**
 * How many segments it takes from the first on to hold so many bytes: 0 for 0.
 * @throws DMA_RANGE for more bytes than there are, and what is no byte length
 */
export function segmentsForLength({ lengths, count }: Segments, byteLength: number): OrigNents {
  let held = 0
  let needed = 0
  while (held < byteLength && needed < count) held += lengths[needed++]!
  if (Number.isSafeInteger(byteLength) && byteLength >= 0 && held >= byteLength) return needed as OrigNents
  throw new DmaError('DMA_RANGE', `nentsForLength: ${String(byteLength)} bytes of a table that has ${held}`)
}
