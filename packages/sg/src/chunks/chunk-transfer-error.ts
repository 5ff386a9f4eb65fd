import { DmaError, isDmaError } from '@linux-dma/core'

/**
 * What {@link forEachChunk} throws where it did not get to the end: code `DMA_TRANSFER_INCOMPLETE`. Its `cause` is the
 * failure, or the reason of the signal.
 */
export interface ChunkTransferError extends DmaError {
  /** Bytes of the table, from its start, that were transferred without a gap. */
  readonly bytesDone: number
}

/**
 * Whether something that was thrown is such an error.
 * @example
 * ```ts
 * if (isChunkTransferError(error)) rest = table.split({ skip: error.bytesDone, sizes: [table.byteLength - error.bytesDone] })[0]
 * ```
 */
export function isChunkTransferError(error: unknown): error is ChunkTransferError {
  return isDmaError(error, 'DMA_TRANSFER_INCOMPLETE')
}

/** Says how far a transfer came, and why no further. */
export function transferIncomplete(
  bytesDone: number,
  byteLength: number,
  cause: unknown,
  terminated: boolean,
): ChunkTransferError {
  const message = `${bytesDone} of ${byteLength} bytes were transferred: ${reasonOf(cause)}`
  const error = new DmaError('DMA_TRANSFER_INCOMPLETE', message, {
    hint: `go on with table.split({ skip: bytesDone, sizes: [table.byteLength - bytesDone] }); cause says why it stopped${terminated ? '' : '; a device that was not stopped may still be writing to its regions: give forEachChunk a terminate function'}`,
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
