import type { DmaDevice } from '../device/dma-device'
import type { DmaAddress } from '../vocabulary/address'
import type { DmaAttributes } from '../vocabulary/attributes'
import type { TransferDirection } from '../vocabulary/direction'
import type { MappingHandle } from './mapping-table'

/** Where a streaming mapping is kept: a region, or slots that stand in for a buffer. Offsets are from its start. */
export interface MappingHome {
  readonly device: DmaDevice
  /** Made for one mapping, and closed with it. */
  readonly temporary: boolean
  mapSingle(
    byteOffset: number,
    byteLength: number,
    direction: TransferDirection,
    attributes: DmaAttributes,
  ): MappingHandle
  unmapSingle(handle: MappingHandle, attributes: DmaAttributes): void
  addressOf(handle: MappingHandle): DmaAddress
  isMapped(handle: MappingHandle): boolean
  isCpuOwned(handle: MappingHandle): boolean
  syncRange(
    verb: 'syncForCpu' | 'syncForDevice',
    handle: MappingHandle,
    byteOffset: number,
    byteLength: number,
  ): void
  /** The CPU's own bytes of the buffer. */
  bytesAt(byteOffset: number, byteLength: number): Uint8Array
  close(): void
}
