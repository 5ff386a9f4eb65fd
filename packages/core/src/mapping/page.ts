import { DmaError } from '@linux-dma/native'
import { refusedMap } from '../checker/map-misuse'
import { assertDevice, assertRange } from '../checks/validate'
import type { DmaDevice } from '../device/dma-device'
import { DmaMemory } from '../memory/memory'
import { assertAttributes, type DmaAttributes, NOT_FOR_STREAMING } from '../vocabulary/attributes'
import { assertTransferDirection, type TransferDirection } from '../vocabulary/direction'
import { mapMemory } from './streaming'
import type { StreamingMapping } from './streaming-mapping'

/**
 * Gives a part of memory to a device, found by page and not by view. Mirrors `dma_map_page()`; the mapping is ended by
 * {@link dmaUnmapPage}, and is otherwise that of `dmaMapSingle`.
 * @param pageIndex which page of the memory, in base pages also where it is made of huge ones
 * @param byteOffset bytes from that page's start; a page or more is taken too
 * @param byteLength 1 byte to 4 GiB - 1
 * @param attributes as for `dmaMapSingle`
 * @throws DMA_INVALID_ARGUMENT for what is no memory or direction; DMA_RANGE outside the memory; else as `dmaMapSingle`
 * @example
 * ```ts
 * using mapping = dmaMapPage(device, memory, 3, 512, 1024, DmaDirection.FromDevice)
 * ```
 */
export function dmaMapPage(
  device: DmaDevice,
  memory: DmaMemory,
  pageIndex: number,
  byteOffset: number,
  byteLength: number,
  direction: TransferDirection,
  attributes: DmaAttributes = 0,
): StreamingMapping {
  assertDevice('dmaMapPage', device)
  assertTransferDirection(direction)
  assertAttributes('dmaMapPage', attributes, NOT_FOR_STREAMING)
  if (!(memory instanceof DmaMemory)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `dmaMapPage: ${typeof memory} is no DMA memory`, {
      hint: 'pass what allocateDmaMemory() returned; a view goes to dmaMapSingle()',
    })
  }
  device.assertReady()
  try {
    memory.assertOpen()
  } catch (error) {
    throw refusedMap(device, error, direction, byteLength)
  }
  const { pageSize } = memory.kernel
  assertRange('the pages of the DMA memory', pageIndex, 1, memory.byteLength / pageSize)
  if (!Number.isSafeInteger(byteOffset) || byteOffset < 0) assertRange('the page', byteOffset, 1, pageSize)
  const start = pageIndex * pageSize + byteOffset
  assertRange('the DMA memory', start, byteLength, memory.byteLength)
  return mapMemory(device, memory, start, byteLength, direction, attributes)
}

/** Ends a mapping of {@link dmaMapPage}: the same function, since the mapping knows what it is. */
export { dmaUnmapSingle as dmaUnmapPage } from './end-and-sync'
