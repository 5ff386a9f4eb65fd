import { DmaError } from '@linux-dma/core'

/** A transfer in chunks that did not get to its end. Its `cause` is the failure, or the reason of the signal. */
export class ChunkTransferError extends DmaError {
  /** Bytes of the table, from its start, that were transferred without a gap. */
  readonly bytesDone: number

  /** @internal */
  constructor(bytesDone: number, byteLength: number, cause: unknown) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
    super('DMA_TRANSFER_INCOMPLETE', `${bytesDone} of ${byteLength} bytes were transferred: ${reason}`, {
      hint: 'bytesDone says where to go on, cause says why it stopped; nothing is mapped any more',
      cause,
    })
    this.bytesDone = bytesDone
  }
}
