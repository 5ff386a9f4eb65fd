import {
  assertAllocationOf,
  assertDevice,
  CoherentAllocation,
  type DmaDevice,
  DmaError,
} from '@linux-dma/core'
import { SgTable } from '../table/sg-table'

/**
 * A table of the memory of a coherent allocation, to be mapped for a second device, which then shares the buffer.
 * Mirrors `dma_get_sgtable()`. It stands for the memory, not for the allocation's DMA address, which means nothing to
 * another device; what is mapped of it ends when the allocation is freed.
 * @param byteLength bytes from the start of the allocation, 1 or more. Default: all of it
 * @throws DMA_CLOSED once freed; DMA_WRONG_DEVICE; DMA_RANGE; DMA_INVALID_ARGUMENT
 * @example
 * ```ts
 * using shared = dmaMapSgtable(camera, dmaGetSgtable(display, frame), DmaDirection.FromDevice)
 * ```
 */
export function dmaGetSgtable(
  device: DmaDevice,
  allocation: CoherentAllocation,
  byteLength?: number,
): SgTable {
  assertDevice('dmaGetSgtable', device)
  device.assertOpen()
  assertAllocationOf(device, allocation)
  if (!(allocation instanceof CoherentAllocation)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', 'dmaGetSgtable: this is no coherent allocation', {
      hint: 'pass what dmaAllocCoherent() returned; of other memory make SgTable.fromBuffers([memory.bytes])',
    })
  }
  if (allocation.freed) {
    throw new DmaError('DMA_CLOSED', `the allocation of ${device.name} is freed: it has no pages`)
  }
  const wanted = byteLength ?? allocation.byteLength
  if (!Number.isSafeInteger(wanted) || wanted < 1 || wanted > allocation.byteLength) {
    throw new DmaError('DMA_RANGE', `${String(wanted)} bytes of an allocation of ${allocation.byteLength}`)
  }
  return tableOf(allocation, wanted)
}

function tableOf({ memory }: CoherentAllocation, byteLength: number): SgTable {
  const pageCount = Math.ceil(byteLength / memory.kernel.pageSize)
  const pages = Uint32Array.from({ length: pageCount }, (_, i) => i)
  return SgTable.fromPages(pages, { memory, byteLength })
}
