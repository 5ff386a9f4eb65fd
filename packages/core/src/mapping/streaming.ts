import { DmaError } from '@linux-dma/native'
import { isOutOfReach } from '../bounce/bounce-errors'
import { BouncedBuffer } from '../bounce/bounced-buffer'
import type { Bouncer } from '../bounce/bouncer'
import { mappableMemory } from '../checker/map-misuse'
import { assertDevice } from '../checks/validate'
import { rangeOf } from '../checks/view-range'
import type { DmaDevice } from '../device/dma-device'
import type { DmaMemory } from '../memory/memory'
import { isDetached, isDmaMemory, memoryOf } from '../memory/memory-of'
import { assertAttributes, type DmaAttributes, NOT_FOR_STREAMING } from '../vocabulary/attributes'
import { assertTransferDirection, type TransferDirection } from '../vocabulary/direction'
import type { MappingHome } from './mapping-home'
import { DmaRegion } from './region'
import { assertStillThere } from './still-there'
import { StreamingMapping } from './streaming-mapping'

/**
 * Gives a buffer to a device. Mirrors `dma_map_single()`; a failure throws, so it cannot go unchecked.
 *
 * In a region of this device (`createDmaRegion`) this is arithmetic. Elsewhere it pins and maps the pages that the
 * buffer touches, with one system call; the device can then reach all of those pages.
 * @param buffer a view of DMA memory, of 1 byte to 4 GiB - 1; on a path that bounces, of any memory
 * @param direction which way the bytes travel
 * @param attributes `SkipCpuSync`, `RequireCoherent`, or those that have no effect
 * @throws DMA_INVALID_ARGUMENT, DMA_ATTRIBUTE; DMA_DETACHED, DMA_RESIZABLE, DMA_NOT_DMA_MEMORY for memory that cannot be
 *   pinned; DMA_BUS_MASTER_OFF, DMA_CLOSED for the device; DMA_NOT_COHERENT for `RequireCoherent`; ENOMEM, ENOSPC from its
 *   DMA path; DMA_BOUNCE_FULL, DMA_BOUNCE_TOO_LONG where it bounces. Nothing stays mapped then.
 * @example
 * ```ts
 * using mapping = dmaMapSingle(device, memory.bytes.subarray(0, 4096), DmaDirection.ToDevice)
 * registers.writeAddress(0x80, mapping.dmaAddress)
 * ```
 */
export function dmaMapSingle(
  device: DmaDevice,
  buffer: ArrayBufferView,
  direction: TransferDirection,
  attributes: DmaAttributes = 0,
): StreamingMapping {
  assertDevice('dmaMapSingle', device)
  assertTransferDirection(direction)
  assertAttributes('dmaMapSingle', attributes, NOT_FOR_STREAMING)
  device.assertReady()
  const { bouncer } = device.ops
  if (bouncer && !isDmaMemory(buffer)) {
    const bytes = bytesOf(buffer)
    return new StreamingMapping(
      new BouncedBuffer(device, bouncer, bytes),
      0,
      bytes.byteLength,
      direction,
      attributes,
    )
  }
  const { memory, range } = mappableMemory(device, buffer, direction)
  return mapMemory(
    device,
    memory,
    range.byteOffset - memory.bytes.byteOffset,
    range.byteLength,
    direction,
    attributes,
  )
}

/** Maps a part of DMA memory: `dmaMapSingle` and `dmaMapPage` after their checks. @internal */
export function mapMemory(
  device: DmaDevice,
  memory: DmaMemory,
  offset: number,
  byteLength: number,
  direction: TransferDirection,
  attributes: DmaAttributes,
): StreamingMapping {
  assertNotEmpty(byteLength)
  const { home, byteOffset } = homeFor(device, memory, offset, byteLength, direction)
  try {
    return new StreamingMapping(home, byteOffset, byteLength, direction, attributes)
  } catch (error) {
    if (home.temporary) home.close()
    throw error
  }
}

function homeFor(
  device: DmaDevice,
  memory: DmaMemory,
  offset: number,
  byteLength: number,
  direction: TransferDirection,
): { home: MappingHome; byteOffset: number } {
  for (const region of memory.registered) {
    if (!region.covers(device, offset, byteLength, direction)) continue
    const byteOffset = offset - region.memoryOffset
    if (memory.movable) assertStillThere(region, byteOffset, byteLength)
    return { home: region, byteOffset }
  }
  const { pageSize } = device.kernel
  const { bouncer } = device.ops
  if (bouncer?.needed(device, undefined, offset % pageSize, byteLength)) {
    return { home: bounced(device, bouncer, memory, offset, byteLength), byteOffset: 0 }
  }
  const start = Math.floor(offset / pageSize) * pageSize
  const end = Math.ceil((offset + byteLength) / pageSize) * pageSize
  try {
    const home = new DmaRegion(device, memory, start, end - start, direction, {
      purpose: 'single',
      ownsMemory: false,
      capacity: 1,
    })
    return { home, byteOffset: offset - start }
  } catch (error) {
    if (!bouncer || !isOutOfReach(error)) throw error
    return { home: bounced(device, bouncer, memory, offset, byteLength), byteOffset: 0 }
  }
}

function bounced(
  device: DmaDevice,
  bouncer: Bouncer,
  memory: DmaMemory,
  offset: number,
  byteLength: number,
): MappingHome {
  const bytes = memory.bytes.subarray(offset, offset + byteLength)
  return new BouncedBuffer(device, bouncer, bytes, memory)
}

/** The bytes of any buffer, for a path that copies them. @throws DMA_INVALID_ARGUMENT, DMA_DETACHED */
function bytesOf(buffer: ArrayBufferView): Uint8Array {
  const range = rangeOf(buffer)
  if (isDetached(range.buffer)) memoryOf(buffer)
  assertNotEmpty(range.byteLength)
  return new Uint8Array(range.buffer, range.byteOffset, range.byteLength)
}

function assertNotEmpty(byteLength: number): void {
  if (byteLength > 0) return
  throw new DmaError('DMA_INVALID_ARGUMENT', 'the buffer is empty: there is nothing to map')
}
