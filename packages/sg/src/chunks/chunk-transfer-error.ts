import { DmaError } from '@linux-dma/core'

/**
 * What {@link forEachChunk} throws where it did not get to the end: code `DMA_TRANSFER_INCOMPLETE`. Its `cause` is the
 * failure, or the reason of the signal.
 */
export interface ChunkTransferError extends DmaError {
  /** Bytes of the table, from its start, that were transferred without a gap. */
  readonly bytesDone: number
}

/** Says how far a transfer came, and why no further. */
export function transferIncomplete(
  bytesDone: number,
  byteLength: number,
  cause: unknown,
): ChunkTransferError {
  const message = `${bytesDone} of ${byteLength} bytes were transferred: ${reasonOf(cause)}`
  const error = new DmaError('DMA_TRANSFER_INCOMPLETE', message, {
    hint: 'bytesDone says where to go on, cause says why it stopped; nothing is mapped any more',
    cause,
  })
  return Object.assign(error, { bytesDone })
}

/** The first line of what was thrown, which can be anything. */
function reasonOf(cause: unknown): string {
  try {
    return String(cause instanceof Error ? cause.message : cause).split('\n', 1)[0]!
  } catch {
    return `the ${typeof cause} that was thrown says nothing`
  }
}
