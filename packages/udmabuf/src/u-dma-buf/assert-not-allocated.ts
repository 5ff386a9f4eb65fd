import { DmaError } from '@linux-dma/core'
import type { UDmaBuf } from './u-dma-buf'

/**
 * Refuses a range of a buffer of which an allocation has a part.
 * @param what begins the message: `the device … cannot be given`
 * @throws DMA_IN_USE
 */
export function assertNotAllocated(buffer: UDmaBuf, offset: number, byteLength: number, what: string): void {
  const { pages, kernel, info } = buffer
  const taken = pages.allocatedIn(offset / kernel.pageSize, (offset + byteLength) / kernel.pageSize)
  if (taken === undefined) return
  throw new DmaError(
    'DMA_IN_USE',
    `${what} bytes ${offset} to ${offset + byteLength} of ${info.name}: those from ${taken * kernel.pageSize} on are an allocation’s, or slots for what is copied`,
    {
      hint: 'allocations are taken from the end of the buffer: use the pages in front of them, as exportDmaBuf({ offset, size }), or views of buffer.bytes; take all of the buffer only where nothing is to be allocated',
    },
  )
}
