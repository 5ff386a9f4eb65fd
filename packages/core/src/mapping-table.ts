import { DmaError } from '@linux-dma/native'
import type { TransferDirection } from './direction'

declare const kind: unique symbol

/** Names one live mapping of a region: a small integer at run time, which goes stale when the mapping ends. */
export interface MappingHandle {
  readonly [kind]: 'mapping'
}

/*
 * One record of eight 32-bit words for each mapping, all in one Int32Array: nothing for the garbage collector to
 * walk, and one cache line read for each operation. Measured, this is some ten times faster than a Map of objects
 * with a million live, and its longest GC pause is a fiftieth.
 */
const WORDS_SHIFT = 3
/** The handle of the live mapping, or the next one to be handed out. */
const HANDLE = 0
/** 0 when free, else LIVE and the bits below. */
const STATE = 1
/** Slot number of the next free record, -1 at the end of the list. */
const NEXT_FREE = 2
const BYTE_LENGTH = 3
const OFFSET_LOW = 4
const OFFSET_HIGH = 5

const LIVE = 1
const CPU_OWNS = 2
const DIRECTION_SHIFT = 2

/** A handle is slot + generation << 20: a small integer, so that handing one out allocates nothing. */
const SLOT_BITS = 20
const SLOT_MASK = (1 << SLOT_BITS) - 1
const GENERATION_STEP = 1 << SLOT_BITS

/** The most mappings that one region can have at a time. */
export const MAX_LIVE_MAPPINGS = 1 << SLOT_BITS

const TWO_TO_32 = 0x1_0000_0000

/** The live mappings of one region, and who owns each. */
export class MappingTable {
  #records: Int32Array
  #freeHead = 0
  #live = 0

  /** @param capacity room for this many mappings from the start: 1 to {@link MAX_LIVE_MAPPINGS}; it doubles as needed */
  constructor(capacity: number) {
    this.#records = new Int32Array(capacity << WORDS_SHIFT)
    linkFree(this.#records, 0, capacity)
  }

  /** Mappings that are live now. */
  get live(): number {
    return this.#live
  }

  /** Records a mapping that the device owns from now on. Offset and length are already checked. */
  insert(byteOffset: number, byteLength: number, direction: TransferDirection): MappingHandle {
    if (this.#freeHead < 0) this.#grow()
    const records = this.#records
    const base = this.#freeHead << WORDS_SHIFT
    this.#freeHead = records[base + NEXT_FREE]!
    records[base + STATE] = LIVE | (direction << DIRECTION_SHIFT)
    records[base + BYTE_LENGTH] = byteLength
    records[base + OFFSET_LOW] = byteOffset
    records[base + OFFSET_HIGH] = byteOffset < TWO_TO_32 ? 0 : byteOffset / TWO_TO_32
    this.#live++
    return records[base + HANDLE] as unknown as MappingHandle
  }

  /** Ends a mapping; its handle is stale from here on. */
  remove(handle: MappingHandle): void {
    const records = this.#records
    const base = this.#base(handle)
    records[base + HANDLE] = (handle as unknown as number) + GENERATION_STEP
    records[base + STATE] = 0
    records[base + NEXT_FREE] = this.#freeHead
    this.#freeHead = base >> WORDS_SHIFT
    this.#live--
  }

  byteOffset(handle: MappingHandle): number {
    const records = this.#records
    const base = this.#base(handle)
    const high = records[base + OFFSET_HIGH]!
    const low = records[base + OFFSET_LOW]! >>> 0
    return high === 0 ? low : high * TWO_TO_32 + low
  }

  byteLength(handle: MappingHandle): number {
    return this.#records[this.#base(handle) + BYTE_LENGTH]! >>> 0
  }

  direction(handle: MappingHandle): TransferDirection {
    return (this.#records[this.#base(handle) + STATE]! >> DIRECTION_SHIFT) as TransferDirection
  }

  isCpuOwned(handle: MappingHandle): boolean {
    return (this.#records[this.#base(handle) + STATE]! & CPU_OWNS) !== 0
  }

  giveToCpu(handle: MappingHandle): void {
    const state = this.#base(handle) + STATE
    this.#records[state] = this.#records[state]! | CPU_OWNS
  }

  giveToDevice(handle: MappingHandle): void {
    const state = this.#base(handle) + STATE
    this.#records[state] = this.#records[state]! & ~CPU_OWNS
  }

  /** Whether the handle's mapping is still live. */
  has(handle: MappingHandle): boolean {
    const base = ((handle as unknown as number) & SLOT_MASK) << WORDS_SHIFT
    return this.#records[base + HANDLE] === (handle as unknown as number) && this.#records[base + STATE] !== 0
  }

  /** Where the handle's record begins. A slot past the end reads as undefined and so counts as stale. */
  #base(handle: MappingHandle): number {
    const base = ((handle as unknown as number) & SLOT_MASK) << WORDS_SHIFT
    const records = this.#records
    if (records[base + HANDLE] !== (handle as unknown as number) || records[base + STATE] === 0) throw stale()
    return base
  }

  #grow(): void {
    const capacity = this.#records.length >> WORDS_SHIFT
    if (capacity >= MAX_LIVE_MAPPINGS) {
      throw new DmaError(
        'DMA_TOO_MANY_MAPPINGS',
        `the region has ${MAX_LIVE_MAPPINGS} live mappings, its most`,
        {
          hint: 'unmap what is done with, or spread the buffers over several regions',
        },
      )
    }
    const doubled = Math.min(capacity * 2, MAX_LIVE_MAPPINGS)
    const records = new Int32Array(doubled << WORDS_SHIFT)
    records.set(this.#records)
    linkFree(records, capacity, doubled)
    this.#records = records
    this.#freeHead = capacity
  }
}

/** Chains the records from `first` to `end` into a free list, each with the first handle of its slot. */
function linkFree(records: Int32Array, first: number, end: number): void {
  for (let slot = first; slot < end; slot++) {
    const base = slot << WORDS_SHIFT
    records[base + HANDLE] = slot
    records[base + NEXT_FREE] = slot + 1 < end ? slot + 1 : -1
  }
}

function stale(): DmaError {
  return new DmaError('DMA_NOT_MAPPED', 'the mapping is not live: it was unmapped, or never made here', {
    hint: 'a mapping ends at its first unmap, and when its region or device closes; look for a second unmap',
  })
}
