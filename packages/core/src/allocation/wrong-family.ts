import { DmaError } from '@linux-dma/native'

/** What an allocation meets that is handed to another family's function: each frees and maps what it allocated itself. */
export function wrongFamily(of: string, kind: string, made: string): DmaError {
  return new DmaError('DMA_INVALID_ARGUMENT', `${of}: this is no ${kind} allocation`, {
    hint: `pass what ${made} returned; other allocations are freed and mapped by the functions of their own family`,
  })
}
