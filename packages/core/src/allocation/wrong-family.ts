import { DmaError } from '@linux-dma/native'
import { DmaMisuse } from '../checker/misuse'
import { misused } from '../checker/misused'
import type { DmaDevice } from '../device/dma-device'

/** What an allocation meets that is handed to another family's function: each frees and maps what it allocated itself. */
export function wrongFamily(device: DmaDevice, of: string, kind: string, made: string): DmaError {
  return misused(
    device,
    DmaMisuse.UnmapFamily,
    new DmaError('DMA_INVALID_ARGUMENT', `${of}: this is no ${kind} allocation`, {
      hint: `pass what ${made} returned; other allocations are freed and mapped by the functions of their own family`,
    }),
    { expected: kind, actual: 'an allocation of another kind' },
  )
}
