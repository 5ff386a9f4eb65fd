import { DmaError } from '@linux-dma/native'
import {
  type AnyDmaAddress,
  findToEnd,
  findToSync,
  isAddress,
  type NamedMapping,
} from '../checker/by-address'
import type { SingleOwner } from '../checker/mapping-owner'
import { MappingFamily } from '../checker/mapping-records'
import { DmaMisuse } from '../checker/misuse'
import { closeAll } from '../checks/close-all'
import { assertDevice } from '../checks/validate'
import type { DmaDevice } from '../device/dma-device'
import { assertAttributes, type DmaAttributes, NOT_FOR_STREAMING } from '../vocabulary/attributes'
import type { TransferDirection } from '../vocabulary/direction'
import { StreamingMapping } from './streaming-mapping'

/**
 * Ends a mapping: the CPU owns the buffer again. Mirrors `dma_unmap_single()`, whose size and direction the mapping
 * knows itself.
 *
 * As in the kernel it can also be named by its address, as a descriptor has it, with the size and direction that were mapped. A device
 * of which that is asked keeps an index of its mappings from then on: they cost more.
 * @param attributes `SkipCpuSync` where nothing that the device wrote is wanted
 * @throws DMA_NOT_MAPPED the second time; DMA_WRONG_DEVICE; DMA_ATTRIBUTE; what the last sync or copy threw: the mapping has
 *   ended all the same. By address: DMA_NOT_MAPPED, also where several fit and none of them in all; DMA_WRONG_SIZE, DMA_WRONG_DIRECTION,
 *   DMA_WRONG_FAMILY for what was not mapped by `dmaMapSingle`; DMA_ADDRESS_RANGE
 * @example
 * ```ts
 * await registers.pollUntil(STATUS, (status) => (status & BUSY) === 0, { timeoutMilliseconds: 100 })
 * dmaUnmapSingle(device, mapping) // buffer has what the device wrote
 * ```
 */
export function dmaUnmapSingle(device: DmaDevice, mapping: StreamingMapping, attributes?: DmaAttributes): void
export function dmaUnmapSingle(
  device: DmaDevice,
  address: AnyDmaAddress,
  byteLength: number,
  direction: TransferDirection,
  attributes?: DmaAttributes,
): void
export function dmaUnmapSingle(
  device: DmaDevice,
  mapping: StreamingMapping | AnyDmaAddress,
  lengthOrAttributes?: number,
  direction?: TransferDirection,
  attributes: DmaAttributes = 0,
): void {
  if (!isAddress(mapping)) {
    assertSameDevice(device, mapping, DmaMisuse.UnmapUnknown)
    mapping.unmap(lengthOrAttributes)
    return
  }
  assertAttributes('dmaUnmapSingle', attributes, NOT_FOR_STREAMING)
  const named = single('dmaUnmapSingle', device, mapping, lengthOrAttributes!, direction!)
  const { ledger, note } = findToEnd(named)
  const owner = ledger.ownerOf(note) as SingleOwner
  const handle = ledger.handleOf(note)
  closeAll([
    () => owner.unmapSingle(handle, attributes),
    () => {
      if (owner.temporary) owner.close()
    },
  ])
}

/**
 * Lends a mapped buffer to the CPU until the next sync for the device. Mirrors `dma_sync_single_for_cpu()`. By its address it can
 * also be a part of the mapping, from that address on.
 * @returns the bytes
 * @throws DMA_NOT_MAPPED, DMA_WRONG_DEVICE; by address also DMA_RANGE, DMA_WRONG_DIRECTION, DMA_ADDRESS_RANGE
 * @example
 * ```ts
 * const [status] = dmaSyncSingleForCpu(device, mapping)
 * dmaSyncSingleForDevice(device, mapping)
 * ```
 */
export function dmaSyncSingleForCpu(device: DmaDevice, mapping: StreamingMapping): Uint8Array
export function dmaSyncSingleForCpu(
  device: DmaDevice,
  address: AnyDmaAddress,
  byteLength: number,
  direction: TransferDirection,
): Uint8Array
export function dmaSyncSingleForCpu(
  device: DmaDevice,
  mapping: StreamingMapping | AnyDmaAddress,
  byteLength?: number,
  direction?: TransferDirection,
): Uint8Array {
  if (isAddress(mapping)) {
    return syncAt('syncForCpu', single('dmaSyncSingleForCpu', device, mapping, byteLength!, direction!), 0)
  }
  assertSameDevice(device, mapping, DmaMisuse.SyncUnknown)
  return mapping.syncForCpu()
}

/**
 * Gives a mapped buffer back to the device. Mirrors `dma_sync_single_for_device()`. By its address it can also be a part of it that is
 * copied or flushed.
 * @throws as {@link dmaSyncSingleForCpu}
 */
export function dmaSyncSingleForDevice(device: DmaDevice, mapping: StreamingMapping): void
export function dmaSyncSingleForDevice(
  device: DmaDevice,
  address: AnyDmaAddress,
  byteLength: number,
  direction: TransferDirection,
): void
export function dmaSyncSingleForDevice(
  device: DmaDevice,
  mapping: StreamingMapping | AnyDmaAddress,
  byteLength?: number,
  direction?: TransferDirection,
): void {
  if (isAddress(mapping)) {
    syncAt('syncForDevice', single('dmaSyncSingleForDevice', device, mapping, byteLength!, direction!), 0)
    return
  }
  assertSameDevice(device, mapping, DmaMisuse.SyncUnknown)
  mapping.syncForDevice()
}

/**
 * Lends a range of a mapped buffer to the CPU. Mirrors `dma_sync_single_range_for_cpu()`.
 *
 * A mapping has one owner at a time: the CPU, with this range of it, from now on. A range that was lent before is in
 * `mapping.bytes` no more; to look at several, sync one that holds them all.
 * @returns the bytes of the range
 * @throws DMA_RANGE outside the mapping; else as {@link dmaSyncSingleForCpu}
 */
export function dmaSyncSingleRangeForCpu(
  device: DmaDevice,
  mapping: StreamingMapping,
  byteOffset: number,
  byteLength: number,
): Uint8Array
export function dmaSyncSingleRangeForCpu(
  device: DmaDevice,
  address: AnyDmaAddress,
  byteOffset: number,
  byteLength: number,
  direction: TransferDirection,
): Uint8Array
export function dmaSyncSingleRangeForCpu(
  device: DmaDevice,
  mapping: StreamingMapping | AnyDmaAddress,
  byteOffset: number,
  byteLength: number,
  direction?: TransferDirection,
): Uint8Array {
  if (isAddress(mapping)) {
    const named = single('dmaSyncSingleRangeForCpu', device, mapping, byteLength, direction!)
    return syncAt('syncForCpu', named, byteOffset)
  }
  assertSameDevice(device, mapping, DmaMisuse.SyncUnknown)
  return mapping.syncForCpu(byteOffset, byteLength)
}

/**
 * Gives a range of a mapped buffer back to the device. Mirrors `dma_sync_single_range_for_device()`.
 *
 * Copies or flushes this range alone, but all of the mapping is the device's from now on: what the CPU wrote outside the
 * range may never reach it.
 * @throws DMA_RANGE outside the mapping; else as {@link dmaSyncSingleForCpu}
 */
export function dmaSyncSingleRangeForDevice(
  device: DmaDevice,
  mapping: StreamingMapping,
  byteOffset: number,
  byteLength: number,
): void
export function dmaSyncSingleRangeForDevice(
  device: DmaDevice,
  address: AnyDmaAddress,
  byteOffset: number,
  byteLength: number,
  direction: TransferDirection,
): void
export function dmaSyncSingleRangeForDevice(
  device: DmaDevice,
  mapping: StreamingMapping | AnyDmaAddress,
  byteOffset: number,
  byteLength: number,
  direction?: TransferDirection,
): void {
  if (isAddress(mapping)) {
    const named = single('dmaSyncSingleRangeForDevice', device, mapping, byteLength, direction!)
    syncAt('syncForDevice', named, byteOffset)
    return
  }
  assertSameDevice(device, mapping, DmaMisuse.SyncUnknown)
  mapping.syncForDevice(byteOffset, byteLength)
}

function single(
  of: string,
  device: DmaDevice,
  address: AnyDmaAddress,
  byteLength: number,
  direction: TransferDirection,
): NamedMapping {
  return { of, device, address, byteLength, direction, family: MappingFamily.Single }
}

function syncAt(verb: 'syncForCpu' | 'syncForDevice', named: NamedMapping, byteOffset: number): Uint8Array {
  const { ledger, note, offset } = findToSync(named, byteOffset, verb === 'syncForCpu')
  const owner = ledger.ownerOf(note) as SingleOwner
  const handle = ledger.handleOf(note)
  owner.syncRange(verb, handle, offset, named.byteLength)
  return owner.bytesOf(handle, offset, named.byteLength)
}

function assertSameDevice(device: DmaDevice, mapping: StreamingMapping, misuse: DmaMisuse): void {
  if (!(mapping instanceof StreamingMapping)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `${typeof mapping} is no mapping`, {
      hint: 'pass what dmaMapSingle() returned, or its address, size and direction; a handle of a region goes to region.unmapSingle() and its like',
    })
  }
  if (mapping.device === device) return
  assertDevice('a mapping', device)
  throw mapping.misused(
    misuse,
    new DmaError('DMA_WRONG_DEVICE', `the mapping is ${mapping.device.name}’s, not ${device.name}’s`, {
      hint: 'a DMA address means something only on the device it was mapped for',
    }),
  )
}
