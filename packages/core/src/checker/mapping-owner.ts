import type { MappingHandle } from '../mapping/mapping-table'
import type { DmaMemory } from '../memory/memory'
import type { DmaAttributes } from '../vocabulary/attributes'

/** What the mappings in a ledger belong to: a region, slots, an allocation, a table. */
export interface LedgerOwner {
  isMapped(handle: MappingHandle): boolean
  /** Absent where CPU and device have the bytes at the same time. */
  isCpuOwned?(handle: MappingHandle): boolean
  /** Present where it may end without the ledger being told: ends its records. */
  gone?(): void
}

/** What single mappings belong to. Found by their addresses they are ended and synced here. */
export interface SingleOwner extends LedgerOwner {
  /** Its number in its device's ledger; 0 before it has one. */
  ledgerNumber: number
  /** Made for one mapping, and closed with it. */
  readonly temporary: boolean
  /** Absent where the bytes are not DMA memory. */
  readonly memory?: DmaMemory | undefined
  /** Where in that memory a mapping begins; undefined where a copy stands in for it. */
  memoryOffsetOf(handle: MappingHandle): number | undefined
  /** The CPU's own bytes of a part of a mapping. */
  bytesOf(handle: MappingHandle, byteOffset: number, byteLength: number): Uint8Array
  unmapSingle(handle: MappingHandle, attributes: DmaAttributes): void
  syncRange(
    verb: 'syncForCpu' | 'syncForDevice',
    handle: MappingHandle,
    byteOffset: number,
    byteLength: number,
  ): void
  close(): void
}

/** What is one mapping as a whole, and is closed as one: an allocation, registers of another device. */
export interface WholeOwner {
  /** The CPU's own bytes, where it has any. */
  readonly bytes?: Uint8Array
  close(): void
}
