import { DmaError } from '@linux-dma/native'
import { type DmaAddress, toNumber } from '../vocabulary/address'
import type { TransferDirection } from '../vocabulary/direction'

declare const kind: unique symbol

/** Names one live mapping of a region: a small integer at run time, which goes stale when the mapping ends. */
export interface MappingHandle {
  readonly [kind]: 'mapping'
}

/*
 * One record of eight 32-bit words for each mapping, all in one buffer: nothing for the garbage collector to walk, and
 * one cache line read for each operation. Measured, this is some ten times faster than a Map of objects with a million
 * live, and its longest GC pause is a fiftieth.
 *
 * The numbers are members of enumerations because a bundler writes their values into the code; of a `const` it makes a
 * variable that the engine has to load, and to check, at each use. Methods repeat the check for a stale handle for the
 * same reason: what is called here is on the path of each transfer, and engines inline only so much.
 */
enum Word {
  /**
   * The handle of the live mapping. While free, the next one to be handed out with its slot bits inverted: no handle
   * finds that in its own slot, so that one compare tells a live handle from all else.
   */
  Handle = 0,
  /** Who owns the bytes, and which way they travel. */
  State = 1,
  /** Bytes while live; while free, the slot number of the next free record, -1 at the end of the list. */
  LengthOrNext = 2,
  /** The mapping's record in the ledger of its device, where there is one; what was left there where there is none. */
  Note = 3,
  /** Two words that hold one double, exact for every offset. */
  ByteOffset = 4,
  /** Two more: where the device finds the bytes, if that is not in place. */
  BounceAddress = 6,
}

enum State {
  CpuOwns = 1,
  /** Above the direction. */
  Bounced = 8,
}

enum Shift {
  /** log2 of the words in a record. */
  Record = 3,
  /** Where in the state the direction begins; it has two bits. */
  Direction = 1,
}

/** A handle is slot + generation << 20: a small integer, so that handing one out allocates nothing. */
enum Handle {
  SlotMask = 0xf_ffff,
  GenerationStep = 0x10_0000,
}

/** The most mappings that one region can have at a time. */
export const MAX_LIVE_MAPPINGS = 1 << 20

const GENERATIONS = 1 << 12
const FIRST_CAPACITY = 256
const NO_RECORDS = new Int32Array(0)
const NO_OFFSETS = new Float64Array(0)

/** The live mappings of one region, and who owns each. */
export class MappingTable {
  // Never undefined, so that the engine knows their class without looking; `private` and not `#`, which takes more code at
  // each use, and engines inline only so much.
  private records = NO_RECORDS
  /** The same bytes. */
  private offsets = NO_OFFSETS
  private freeHead = -1
  readonly #firstGeneration: number

  /**
   * @param capacity room for this many mappings from the start, up to {@link MAX_LIVE_MAPPINGS}; it doubles as needed.
   *   With 0 the first mapping makes room: many a region is never asked for one.
   * @param firstGeneration where the generations of its handles begin: an integer, whose lower 12 bits count
   */
  constructor(capacity: number, firstGeneration = 0) {
    // Cut here, while it is exact: with an address of 46 bits the handle's own bits would be rounded away.
    this.#firstGeneration = firstGeneration % GENERATIONS
    if (capacity > 0) this.#resize(capacity)
  }

  /** Mappings that are live now: counted when asked, so that a transfer need not. */
  get live(): number {
    const records = this.records
    let live = 0
    for (let slot = 0; slot < records.length >> Shift.Record; slot++) {
      if ((records[slot << Shift.Record]! & Handle.SlotMask) === slot) live++
    }
    return live
  }

  /** Records a mapping that the device owns from now on. Offset and length are already checked. */
  insert(byteOffset: number, byteLength: number, direction: TransferDirection): MappingHandle {
    if (this.freeHead < 0) this.#grow()
    const records = this.records
    const base = this.freeHead << Shift.Record
    this.freeHead = records[base | Word.LengthOrNext]!
    records[base | Word.State] = direction << Shift.Direction
    records[base | Word.LengthOrNext] = byteLength
    this.offsets[(base | Word.ByteOffset) >> 1] = byteOffset
    const handle = records[base]! ^ Handle.SlotMask
    records[base] = handle
    return handle as unknown as MappingHandle
  }

  /** Ends a mapping; its handle is stale from here on. */
  remove(handle: MappingHandle): void {
    const records = this.records
    const slot = (handle as unknown as number) & Handle.SlotMask
    const base = slot << Shift.Record
    if (records[base] !== (handle as unknown as number)) throw stale()
    records[base] = ((handle as unknown as number) + Handle.GenerationStep) ^ Handle.SlotMask
    records[base | Word.LengthOrNext] = this.freeHead
    this.freeHead = slot
  }

  byteOffset(handle: MappingHandle): number {
    const records = this.records
    const base = ((handle as unknown as number) & Handle.SlotMask) << Shift.Record
    if (records[base] !== (handle as unknown as number)) throw stale()
    return this.offsets[(base | Word.ByteOffset) >> 1]!
  }

  byteLength(handle: MappingHandle): number {
    return this.records[this.#base(handle) | Word.LengthOrNext]! >>> 0
  }

  direction(handle: MappingHandle): TransferDirection {
    return ((this.records[this.#base(handle) | Word.State]! >> Shift.Direction) & 3) as TransferDirection
  }

  /** Where the device finds the bytes of a mapping that is not in place; undefined for one that is. */
  bounceAddress(handle: MappingHandle): DmaAddress | undefined {
    const base = this.#base(handle)
    if ((this.records[base | Word.State]! & State.Bounced) === 0) return undefined
    return this.offsets[(base | Word.BounceAddress) >> 1] as unknown as DmaAddress
  }

  /** Notes that the device finds the bytes elsewhere. */
  setBounceAddress(handle: MappingHandle, address: DmaAddress): void {
    const base = this.#base(handle)
    this.records[base | Word.State]! |= State.Bounced
    this.offsets[(base | Word.BounceAddress) >> 1] = toNumber(address)
  }

  /** All such addresses of live mappings: what a table that is thrown away has to give back. */
  bounceAddresses(): DmaAddress[] {
    const records = this.records
    const addresses: DmaAddress[] = []
    for (let slot = 0; slot < records.length >> Shift.Record; slot++) {
      const base = slot << Shift.Record
      const live = (records[base]! & Handle.SlotMask) === slot
      if (!live || (records[base | Word.State]! & State.Bounced) === 0) continue
      addresses.push(this.offsets[(base | Word.BounceAddress) >> 1] as unknown as DmaAddress)
    }
    return addresses
  }

  /** The mapping's record in its device's ledger; 0 for none. */
  note(handle: MappingHandle): number {
    return this.records[this.#base(handle) | Word.Note]!
  }

  setNote(handle: MappingHandle, note: number): void {
    this.records[this.#base(handle) | Word.Note] = note
  }

  /** Of the mappings that are live now. */
  *handles(): Generator<MappingHandle> {
    for (let slot = 0; slot < this.records.length >> Shift.Record; slot++) {
      const handle = this.records[slot << Shift.Record]!
      if ((handle & Handle.SlotMask) === slot) yield handle as unknown as MappingHandle
    }
  }

  isCpuOwned(handle: MappingHandle): boolean {
    return (this.records[this.#base(handle) | Word.State]! & State.CpuOwns) !== 0
  }

  giveToCpu(handle: MappingHandle): void {
    const records = this.records
    const base = ((handle as unknown as number) & Handle.SlotMask) << Shift.Record
    if (records[base] !== (handle as unknown as number)) throw stale()
    const state = base | Word.State
    records[state] = records[state]! | State.CpuOwns
  }

  giveToDevice(handle: MappingHandle): void {
    const records = this.records
    const base = ((handle as unknown as number) & Handle.SlotMask) << Shift.Record
    if (records[base] !== (handle as unknown as number)) throw stale()
    const state = base | Word.State
    records[state] = records[state]! & ~State.CpuOwns
  }

  /** Whether the handle's mapping is still live. */
  has(handle: MappingHandle): boolean {
    const base = ((handle as unknown as number) & Handle.SlotMask) << Shift.Record
    return this.records[base] === (handle as unknown as number)
  }

  /** Where the handle's record begins. A slot past the end reads as undefined and so counts as stale. */
  #base(handle: MappingHandle): number {
    if (!this.has(handle)) throw stale()
    return ((handle as unknown as number) & Handle.SlotMask) << Shift.Record
  }

  #grow(): void {
    const capacity = this.records.length >> Shift.Record
    if (capacity >= MAX_LIVE_MAPPINGS) {
      throw new DmaError(
        'DMA_TOO_MANY_MAPPINGS',
        `the region has ${MAX_LIVE_MAPPINGS} live mappings, its most`,
        {
          hint: 'unmap what is done with, or spread the buffers over several regions',
        },
      )
    }
    this.#resize(capacity === 0 ? FIRST_CAPACITY : Math.min(capacity * 2, MAX_LIVE_MAPPINGS))
  }

  /** Makes room and chains the new records into a free list, each to hand out the first handle of its slot. */
  #resize(capacity: number): void {
    const first = this.records.length >> Shift.Record
    const records = new Int32Array(capacity << Shift.Record)
    records.set(this.records)
    for (let slot = first; slot < capacity; slot++) {
      const base = slot << Shift.Record
      records[base] = (slot ^ Handle.SlotMask) + this.#firstGeneration * Handle.GenerationStep
      records[base | Word.LengthOrNext] = slot + 1 < capacity ? slot + 1 : -1
    }
    this.records = records
    this.offsets = new Float64Array(records.buffer)
    this.freeHead = first
  }
}

/** What a handle meets whose mapping has ended. */
export function stale(): DmaError {
  return new DmaError('DMA_NOT_MAPPED', 'the mapping is not live: it was unmapped, or never made here', {
    hint: 'a mapping ends at its first unmap, and when its region or device closes; look for a second unmap',
  })
}
