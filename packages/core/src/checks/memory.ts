import { DmaError } from '@linux-dma/native'

/** @throws DMA_INVALID_ARGUMENT for what is no DMA memory, of whichever copy of this package */
export function assertMemory(memory: unknown): void {
  if (typeof (memory as { assertOpen?: unknown } | null | undefined)?.assertOpen === 'function') return
  throw new DmaError('DMA_INVALID_ARGUMENT', `${memory === null ? 'null' : typeof memory} is no DMA memory`, {
    hint: 'pass what allocateDmaMemory() returned, or allocation.memory; of a dma-buf, buffer.memory',
  })
}
