import { type CoherentAllocation, type DmaDevice, DmaError } from '@linux-dma/core'
import { SgTable } from '../table/sg-table'

/**
 * A table of the memory of a coherent allocation, to be mapped for a second device, which then shares the buffer.
 * Mirrors `dma_get_sgtable()`. It stands for the memory, not for the allocation's DMA address, which means nothing to
 * another device; what is mapped of it ends when the allocation is freed.
 * @param byteLength bytes from the start of the allocation, 1 or more. Default: all of it
 * @throws DMA_CLOSED once freed; DMA_WRONG_DEVICE; DMA_RANGE; DMA_INVALID_ARGUMENT; DMA_NO_KERNEL_MAPPING
 * @example
 * ```ts
 * using shared = dmaMapSgtable(camera, dmaGetSgtable(display, frame), DmaDirection.FromDevice)
 * ```
 */
export function dmaGetSgtable(
  device: DmaDevice,
  allocation: CoherentAllocation,
  byteLength = allocation.byteLength,
): SgTable {
  device.assertOpen()
  if (allocation.device !== device) {
    throw new DmaError(
      'DMA_WRONG_DEVICE',
      `the allocation is ${allocation.device.name}’s, not ${device.name}’s`,
    )
  }
  if (allocation.freed) {
    throw new DmaError('DMA_CLOSED', `the allocation of ${device.name} is freed: it has no pages`)
  }
  if (!Number.isSafeInteger(byteLength) || byteLength < 1 || byteLength > allocation.byteLength) {
    throw new DmaError(
      'DMA_RANGE',
      `${String(byteLength)} bytes of an allocation of ${allocation.byteLength}`,
    )
  }
  return tableOf(allocation, byteLength)
}

function tableOf({ memory }: CoherentAllocation, byteLength: number): SgTable {
  const pageCount = Math.ceil(byteLength / memory.kernel.pageSize)
  const pages = Uint32Array.from({ length: pageCount }, (_, i) => i)
  return SgTable.fromPages(pages, { memory, byteLength })
}
