import { type DmaAddress, toNumber } from '../vocabulary/address'
import type { DmaDirection } from '../vocabulary/direction'

/** A mapping that has ended. */
export interface EndedMapping {
  readonly address: DmaAddress
  readonly byteLength: number
  readonly direction: DmaDirection
  /** Where it was mapped, and unmapped: numbers of a checker's places. */
  readonly mappedAt: number
  readonly unmappedAt: number
}

/** How many are remembered: a second unmap mostly comes soon after the first, and a device that is late has a ring of buffers at most. */
const REMEMBERED = 4096
const FIRST_CAPACITY = 64

enum Field {
  Home = 0,
  Handle = 1,
  Address = 2,
  ByteLength = 3,
  Direction = 4,
  MappedAt = 5,
  UnmappedAt = 6,
  /** Whether something else is at its address now. */
  Reused = 7,
  Count = 8,
}

/** The mappings that ended last, so that who unmaps one again is told of the first time. */
export class EndedMappings {
  #fields = new Float64Array(FIRST_CAPACITY * Field.Count)
  #capacity = FIRST_CAPACITY
  #count = 0
  #next = 0

  note(
    home: number,
    handle: number,
    address: number,
    byteLength: number,
    direction: DmaDirection,
    mappedAt: number,
    unmappedAt: number,
  ): void {
    if (this.#count === this.#capacity && this.#capacity < REMEMBERED) this.#grow()
    const fields = this.#fields
    const base = this.#next * Field.Count
    this.#next = (this.#next + 1) % this.#capacity
    if (this.#count < this.#capacity) this.#count++
    fields[base + Field.Home] = home
    fields[base + Field.Handle] = handle
    fields[base + Field.Address] = address
    fields[base + Field.ByteLength] = byteLength
    fields[base + Field.Direction] = direction
    fields[base + Field.MappedAt] = mappedAt
    fields[base + Field.UnmappedAt] = unmappedAt
    fields[base + Field.Reused] = 0
  }

  /** The last one that was this mapping of its home. */
  of(home: number, handle: number): EndedMapping | undefined {
    return this.#last((base) => {
      return this.#fields[base + Field.Home] === home && this.#fields[base + Field.Handle] === handle
    })
  }

  /** The last one that began at an address. */
  at(address: DmaAddress): EndedMapping | undefined {
    return this.#last((base) => this.#fields[base + Field.Address] === toNumber(address))
  }

  /** Memory is mapped as a whole there from now on: what the device does there has nothing to do with what was there before. */
  reuse(address: number, byteLength: number): void {
    const fields = this.#fields
    for (let base = 0; base < this.#count * Field.Count; base += Field.Count) {
      const start = fields[base + Field.Address]!
      const end = start + fields[base + Field.ByteLength]!
      if (start < address + byteLength && address < end) fields[base + Field.Reused] = 1
    }
  }

  /** The last one that had the byte at an address, where nothing else is there now. */
  covering(address: number): EndedMapping | undefined {
    const fields = this.#fields
    return this.#last((base) => {
      const start = fields[base + Field.Address]!
      if (fields[base + Field.Reused] === 1) return false
      return start <= address && address < start + fields[base + Field.ByteLength]!
    })
  }

  #last(matches: (base: number) => boolean): EndedMapping | undefined {
    const fields = this.#fields
    for (let back = 1; back <= this.#count; back++) {
      const base = ((this.#next - back + this.#capacity) % this.#capacity) * Field.Count
      if (!matches(base)) continue
      return {
        address: fields[base + Field.Address] as unknown as DmaAddress,
        byteLength: fields[base + Field.ByteLength]!,
        direction: fields[base + Field.Direction] as DmaDirection,
        mappedAt: fields[base + Field.MappedAt]!,
        unmappedAt: fields[base + Field.UnmappedAt]!,
      }
    }
    return undefined
  }

  /** Twice the room: nothing was forgotten so far, so that all stays where it is. */
  #grow(): void {
    const fields = new Float64Array(this.#capacity * 2 * Field.Count)
    fields.set(this.#fields)
    this.#fields = fields
    this.#next = this.#capacity
    this.#capacity *= 2
  }
}
