import { DmaError } from '@linux-dma/native'
import type { DmaAddress } from '../vocabulary/address'

declare const kind: unique symbol

/** Names one block that a pool has handed out: a small integer at run time, which goes stale when the block is freed. */
export interface PoolHandle {
  readonly [kind]: 'pool block'
}

/*
 * One record of four 32-bit words for each block, and handles of slot and generation: see `mapping-table.ts`, which
 * does the same for mappings and says why it is fast.
 */
enum Word {
  /** The handle of the block in use; while free, the next one of its slot, with the slot bits inverted. */
  Handle = 0,
  /** While free, the slot of the next free block, -1 at the end of the list. */
  Next = 1,
  /** Two words that hold one double: where the device finds the block. */
  Address = 2,
}

enum Shift {
  /** log2 of the words in a record. */
  Record = 2,
}

enum Handle {
  SlotMask = 0xf_ffff,
  GenerationStep = 0x10_0000,
}

/** The most blocks that one pool can have. */
export const MAX_POOL_BLOCKS = 1 << 20

const NO_RECORDS = new Int32Array(0)
const NO_ADDRESSES = new Float64Array(0)
const FIRST_CAPACITY = 256
const PAGE = 4096
/** An odd number without a pattern: its multiples differ most in their upper bits. */
const SCATTER = 0x9e37_79b1
/** Of 32 bits, 12 are left. */
const GENERATION_SHIFT = 20

/** The blocks of one pool, free and in use. */
export class PoolBlocks {
  #records = NO_RECORDS
  /** The same bytes. */
  #addresses = NO_ADDRESSES
  #freeHead = -1
  #count = 0

  /** Blocks that there are. */
  get count(): number {
    return this.#count
  }

  /** Blocks in use: counted when asked, so that `take` need not. */
  get used(): number {
    let used = 0
    for (let slot = 0; slot < this.#count; slot++) if (this.isUsed(slot)) used++
    return used
  }

  /** Whether the next `take` finds nothing. */
  get empty(): boolean {
    return this.#freeHead < 0
  }

  /** Takes the block that was freed last. There has to be one: see {@link empty}. */
  take(): PoolHandle {
    const records = this.#records
    const base = this.#freeHead << Shift.Record
    this.#freeHead = records[base | Word.Next]!
    const handle = records[base]! ^ Handle.SlotMask
    records[base] = handle
    return handle as unknown as PoolHandle
  }

  /** Gives a block back; its handle is stale from here on. @throws DMA_NOT_ALLOCATED */
  give(handle: PoolHandle): void {
    const records = this.#records
    const slot = (handle as unknown as number) & Handle.SlotMask
    const base = slot << Shift.Record
    if (records[base] !== (handle as unknown as number)) throw notAllocated()
    records[base] = ((handle as unknown as number) + Handle.GenerationStep) ^ Handle.SlotMask
    records[base | Word.Next] = this.#freeHead
    this.#freeHead = slot
  }

  /** Never hands a block out again; its handle is stale, and no other will name it. @throws DMA_NOT_ALLOCATED */
  discard(handle: PoolHandle): void {
    const base = this.slot(handle) << Shift.Record
    this.#records[base] = ((handle as unknown as number) + Handle.GenerationStep) ^ Handle.SlotMask
  }

  /** Where the device finds a block in use. @throws DMA_NOT_ALLOCATED */
  address(handle: PoolHandle): DmaAddress {
    const base = ((handle as unknown as number) & Handle.SlotMask) << Shift.Record
    if (this.#records[base] !== (handle as unknown as number)) throw notAllocated()
    return this.#addresses[(base | Word.Address) >> 1] as unknown as DmaAddress
  }

  /** Which block a handle names. @throws DMA_NOT_ALLOCATED */
  slot(handle: PoolHandle): number {
    if (!this.has(handle)) throw notAllocated()
    return (handle as unknown as number) & Handle.SlotMask
  }

  /** The handle of a block in use. */
  handleAt(slot: number): PoolHandle {
    return this.#records[slot << Shift.Record] as unknown as PoolHandle
  }

  has(handle: PoolHandle): boolean {
    const base = ((handle as unknown as number) & Handle.SlotMask) << Shift.Record
    return this.#records[base] === (handle as unknown as number)
  }

  isUsed(slot: number): boolean {
    return (this.#records[slot << Shift.Record]! & Handle.SlotMask) === slot
  }

  /** Adds free blocks, to be taken in this order. */
  add(addresses: readonly number[]): void {
    const first = this.#count
    this.#reserve(first + addresses.length)
    for (let i = 0; i < addresses.length; i++) {
      const slot = first + i
      const base = slot << Shift.Record
      // Scattered by where the block lies, so that a handle of one pool is most often none of another's.
      const generation = Math.imul(Math.floor(addresses[i]! / PAGE), SCATTER) >>> GENERATION_SHIFT
      this.#records[base] = (slot ^ Handle.SlotMask) + generation * Handle.GenerationStep
      this.#records[base | Word.Next] = i + 1 < addresses.length ? slot + 1 : this.#freeHead
      this.#addresses[(base | Word.Address) >> 1] = addresses[i]!
    }
    this.#freeHead = first
    this.#count += addresses.length
  }

  /** Forgets all: every handle is stale. */
  clear(): void {
    this.#records = NO_RECORDS
    this.#addresses = NO_ADDRESSES
    this.#freeHead = -1
    this.#count = 0
  }

  #reserve(count: number): void {
    const capacity = this.#records.length >> Shift.Record
    if (count <= capacity) return
    const records = new Int32Array(Math.max(count, capacity * 2, FIRST_CAPACITY) << Shift.Record)
    records.set(this.#records)
    this.#records = records
    this.#addresses = new Float64Array(records.buffer)
  }
}

function notAllocated(): DmaError {
  return new DmaError('DMA_NOT_ALLOCATED', 'the block is not in use: it was freed, or is none of this pool', {
    hint: 'a block is freed once, to the pool it came from; look for a second free, and for the pool’s own end',
  })
}
