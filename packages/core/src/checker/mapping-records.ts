import type { DmaDirection } from '../vocabulary/direction'

/** What made a mapping, and has to end it. Values count from 1, so that 0 is none. */
export enum MappingFamily {
  Single = 1,
  Sg = 2,
  Coherent = 3,
  Resource = 4,
  Noncoherent = 5,
}

/** What a mapping is looked for by: the address, and what tells several at one address apart. */
export interface Wanted {
  readonly address: number
  readonly byteLength: number
  readonly family: MappingFamily
  readonly direction: DmaDirection
  /** Entries of the table that it is of; 0 for what is of none. */
  readonly entries: number
}

/** Words of a record. */
enum Word {
  /** The next record in its bucket, or of those that are free; -1 at the end. */
  Next = 0,
  Previous = 1,
  /** The family, the direction above it, and whether its cache lines are counted. 0: free. */
  Kind = 2,
  Home = 3,
  Handle = 4,
  Entries = 5,
  Site = 6,
  Checksum = 7,
}

/** log2 of the words in a record. */
const RECORD = 3
/** Where in the kind the direction begins. */
const DIRECTION = 3

enum Kind {
  Family = 7,
  Lined = 32,
}

const FIRST_CAPACITY = 64
/** log2 of the bytes of address that share a bucket. */
const GRANULE = 2048
const NONE = -1

/**
 * The live mappings of a device by address: 56 bytes each in three arrays, in buckets by where they begin. Records are numbered from
 * 1; a number is used again when its mapping has ended.
 */
export class MappingRecords {
  live = 0
  #words = new Int32Array(0)
  #addresses = new Float64Array(0)
  #lengths = new Float64Array(0)
  #times = new Float64Array(0)
  #heads = new Int32Array(0)
  #free = NONE
  /** How many there are by length: of up to 2^n bytes, and more than half of that. */
  readonly #counts = new Int32Array(64)
  /** The n of the longest. */
  #longest = 0

  /** @returns the number of the new record */
  add(address: number, byteLength: number, time: number): number {
    if (this.#free === NONE) this.#grow()
    const slot = this.#free
    const base = slot << RECORD
    this.#free = this.#words[base]!
    this.#addresses[slot] = address
    this.#lengths[slot] = byteLength
    this.#times[slot] = time
    const size = sizeOf(byteLength)
    this.#counts[size]!++
    if (size > this.#longest) this.#longest = size
    this.#link(slot)
    this.live++
    return slot + 1
  }

  /** Fills in the rest. Apart from `add`, so that no object is made for each. */
  keep(
    note: number,
    family: MappingFamily,
    direction: DmaDirection,
    home: number,
    handle: number,
    entries: number,
    site: number,
  ): void {
    const words = this.#words
    const base = (note - 1) << RECORD
    words[base + Word.Kind] = family | (direction << DIRECTION)
    words[base + Word.Home] = home
    words[base + Word.Handle] = handle
    words[base + Word.Entries] = entries
    words[base + Word.Site] = site
    words[base + Word.Checksum] = 0
  }

  remove(note: number): void {
    const slot = note - 1
    const base = slot << RECORD
    this.#unlink(slot)
    const counts = this.#counts
    counts[sizeOf(this.#lengths[slot]!)]!--
    while (this.#longest > 0 && counts[this.#longest] === 0) this.#longest--
    this.#words[base + Word.Kind] = 0
    this.#words[base] = this.#free
    this.#free = slot
    this.live--
  }

  addressOf(note: number): number {
    return this.#addresses[note - 1]!
  }

  byteLengthOf(note: number): number {
    return this.#lengths[note - 1]!
  }

  timeOf(note: number): number {
    return this.#times[note - 1]!
  }

  familyOf(note: number): MappingFamily {
    return this.#word(note, Word.Kind) & Kind.Family
  }

  directionOf(note: number): DmaDirection {
    return ((this.#word(note, Word.Kind) >> DIRECTION) & 3) as DmaDirection
  }

  homeOf(note: number): number {
    return this.#word(note, Word.Home)
  }

  handleOf(note: number): number {
    return this.#word(note, Word.Handle)
  }

  entriesOf(note: number): number {
    return this.#word(note, Word.Entries)
  }

  siteOf(note: number): number {
    return this.#word(note, Word.Site)
  }

  checksumOf(note: number): number {
    return this.#word(note, Word.Checksum)
  }

  setChecksum(note: number, checksum: number): void {
    this.#words[((note - 1) << RECORD) + Word.Checksum] = checksum
  }

  /** Whether there is no such record now. */
  isFree(note: number): boolean {
    return this.#word(note, Word.Kind) === 0
  }

  /** Whether the mapping's cache lines are counted. */
  isLined(note: number): boolean {
    return (this.#word(note, Word.Kind) & Kind.Lined) !== 0
  }

  setLined(note: number): void {
    this.#words[((note - 1) << RECORD) + Word.Kind]! |= Kind.Lined
  }

  /** The live records, in no order that means anything. */
  *[Symbol.iterator](): Iterator<number> {
    for (let slot = 0; slot < this.#lengths.length; slot++) {
      if (this.#words[(slot << RECORD) + Word.Kind] !== 0) yield slot + 1
    }
  }

  /**
   * The mapping that begins at an address: of several the one that fits in all, else none, since nobody knows then which is meant.
   * @returns 0 for none
   */
  findAt(wanted: Wanted): number {
    return this.#best(wanted, this.#bucketOf(wanted.address), (address) => address === wanted.address)
  }

  /** As {@link findAt}, for one that has the byte at an address, wherever it begins. */
  findAround(wanted: Wanted): number {
    const { address } = wanted
    const holds = (start: number, byteLength: number) => start <= address && address < start + byteLength
    const first = this.#firstGranule(address)
    const buckets = Math.min(Math.floor(address / GRANULE) - first + 1, this.#heads.length)
    for (let back = 0; back < buckets; back++) {
      const found = this.#best(wanted, this.#bucketOf(address - back * GRANULE), holds)
      if (found > 0) return found
    }
    return 0
  }

  /** All mappings that have the byte at an address. */
  covering(address: number): number[] {
    const found: number[] = []
    const first = this.#firstGranule(address)
    const buckets = Math.min(Math.floor(address / GRANULE) - first + 1, this.#heads.length)
    for (let back = 0; back < buckets; back++) {
      const bucket = this.#bucketOf(address - back * GRANULE)
      for (let slot = this.#heads[bucket] ?? NONE; slot !== NONE; slot = this.#words[slot << RECORD]!) {
        const start = this.#addresses[slot]!
        if (start <= address && address < start + this.#lengths[slot]!) found.push(slot + 1)
      }
    }
    return found
  }

  #best(wanted: Wanted, bucket: number, matches: (address: number, byteLength: number) => boolean): number {
    let matching = 0
    let last = 0
    for (let slot = this.#heads[bucket] ?? NONE; slot !== NONE; slot = this.#words[slot << RECORD]!) {
      if (!matches(this.#addresses[slot]!, this.#lengths[slot]!)) continue
      matching++
      last = slot + 1
      if (this.#fits(last, wanted)) return last
    }
    return matching === 1 ? last : 0
  }

  #fits(note: number, { byteLength, family, direction, entries }: Wanted): boolean {
    return (
      this.byteLengthOf(note) === byteLength &&
      this.familyOf(note) === family &&
      this.directionOf(note) === direction &&
      this.entriesOf(note) === entries
    )
  }

  /** As far back as a mapping that holds an address may begin. */
  #firstGranule(address: number): number {
    return Math.max(Math.floor((address - 2 ** this.#longest) / GRANULE), 0)
  }

  #word(note: number, word: Word): number {
    return this.#words[((note - 1) << RECORD) + word]!
  }

  #bucketOf(address: number): number {
    return ((address / GRANULE) >>> 0) & (this.#heads.length - 1)
  }

  #link(slot: number): void {
    const words = this.#words
    const bucket = this.#bucketOf(this.#addresses[slot]!)
    const next = this.#heads[bucket]!
    words[slot << RECORD] = next
    words[(slot << RECORD) + Word.Previous] = NONE
    if (next !== NONE) words[(next << RECORD) + Word.Previous] = slot
    this.#heads[bucket] = slot
  }

  #unlink(slot: number): void {
    const words = this.#words
    const next = words[slot << RECORD]!
    const previous = words[(slot << RECORD) + Word.Previous]!
    if (next !== NONE) words[(next << RECORD) + Word.Previous] = previous
    if (previous !== NONE) words[previous << RECORD] = next
    else this.#heads[this.#bucketOf(this.#addresses[slot]!)] = next
  }

  /** Twice the room, and twice the buckets: all records are sorted into them anew. */
  #grow(): void {
    const before = this.#lengths.length
    const capacity = before === 0 ? FIRST_CAPACITY : before * 2
    this.#words = grown(this.#words, new Int32Array(capacity << RECORD))
    this.#addresses = grown(this.#addresses, new Float64Array(capacity))
    this.#lengths = grown(this.#lengths, new Float64Array(capacity))
    this.#times = grown(this.#times, new Float64Array(capacity))
    this.#heads = new Int32Array(capacity).fill(NONE)
    for (let slot = 0; slot < before; slot++) this.#link(slot)
    for (let slot = before; slot < capacity; slot++) {
      this.#words[slot << RECORD] = slot + 1 < capacity ? slot + 1 : NONE
    }
    this.#free = before
  }
}

/** The n of a length of more than 2^(n-1) and up to 2^n bytes. */
function sizeOf(byteLength: number): number {
  const last = byteLength - 1
  return last < 2 ** 32 ? 32 - Math.clz32(last) : 64 - Math.clz32(last / 2 ** 32)
}

function grown<Words extends Int32Array | Float64Array>(old: Words, larger: Words): Words {
  larger.set(old)
  return larger
}
