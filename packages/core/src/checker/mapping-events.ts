import type { DmaEventDirection, DmaEvents } from '@linux-dma/native'
import type { MappingHandle } from '../mapping/mapping-table'
import { directionName } from '../vocabulary/direction'
import { familyName } from './live-mapping'
import type { MappingLedger } from './mapping-ledger'
import type { SingleOwner, WholeOwner } from './mapping-owner'

/** Tells a kernel's listener what becomes of a device's mappings: see `Kernel.dmaEvents`. */
export class MappingEvents {
  readonly #ledger: MappingLedger
  readonly #listener: DmaEvents
  /** By record, what the listener calls the mapping. */
  readonly #numbers: number[] = []

  constructor(ledger: MappingLedger, listener: DmaEvents) {
    this.#ledger = ledger
    this.#listener = listener
  }

  /** Whether bytes are to be taken down. */
  get wantsBytes(): boolean {
    return this.#listener.bytes === true
  }

  /** A record was made. */
  mapped(note: number, bytes: Uint8Array | undefined): void {
    const { records, device } = this.#ledger
    const site = records.siteOf(note)
    this.#numbers[note] = this.#listener.onMap(
      device.name,
      records.addressOf(note),
      records.byteLengthOf(note),
      // Nothing is mapped with no direction.
      directionName(records.directionOf(note)) as DmaEventDirection,
      familyName[records.familyOf(note)],
      site === 0 ? undefined : this.#ledger.siteText(site),
      bytes,
    )
  }

  /** Part of a mapping was handed over: offset and length within it. */
  synced(
    note: number,
    verb: 'syncForCpu' | 'syncForDevice',
    byteOffset: number,
    byteLength: number,
    bytes: Uint8Array | undefined,
  ): void {
    const { records, device } = this.#ledger
    const to = verb === 'syncForCpu' ? 'cpu' : 'device'
    const address = records.addressOf(note) + byteOffset
    this.#listener.onSync(device.name, this.#numbers[note]!, to, address, byteLength, bytes)
  }

  /** The same of a single mapping; 0 is one that is not recorded. */
  syncedSingle(
    note: number,
    owner: SingleOwner,
    handle: MappingHandle,
    verb: 'syncForCpu' | 'syncForDevice',
    byteOffset: number,
    byteLength: number,
  ): void {
    if (note === 0) return
    this.synced(note, verb, byteOffset, byteLength, this.bytesOf(owner, handle, byteOffset, byteLength))
  }

  /** A record is about to end. */
  ended(note: number, bytes: Uint8Array | undefined): void {
    const { records, device } = this.#ledger
    const number = this.#numbers[note]!
    this.#listener.onUnmap(device.name, number, records.addressOf(note), records.byteLengthOf(note), bytes)
  }

  /** Another ledger, or none, takes the place of this one: as far as the listener goes, its mappings end here. */
  endAll(): void {
    for (const note of this.#ledger.records) this.ended(note, undefined)
  }

  /** The CPU's bytes of a part of a single mapping, where they are wanted. */
  bytesOf(
    owner: SingleOwner,
    handle: MappingHandle,
    byteOffset: number,
    byteLength: number,
  ): Uint8Array | undefined {
    return this.wantsBytes ? bytesOrNone(() => owner.bytesOf(handle, byteOffset, byteLength)) : undefined
  }

  /** The bytes of an allocation, where they are wanted and the CPU has any. */
  bytesOfWhole(owner: WholeOwner, byteLength: number): Uint8Array | undefined {
    return this.wantsBytes ? bytesOrNone(() => owner.bytes?.subarray(0, byteLength)) : undefined
  }
}

/** Memory that is for devices alone has none to show, and memory that is being closed none any more. */
function bytesOrNone(read: () => Uint8Array | undefined): Uint8Array | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
