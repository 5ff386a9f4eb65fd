const FIRST_CAPACITY = 16

/**
 * Segments of memory, one array for each property: 12 bytes a segment, and no object. A segment is `lengths[i]` bytes
 * from byte `offsets[i]` of page `pages[i]` on; an offset may lie beyond that page, as in the kernel's `struct
 * scatterlist`.
 */
export class Segments {
  pages: Uint32Array
  offsets: Uint32Array
  lengths: Uint32Array
  count = 0

  constructor(capacity = FIRST_CAPACITY) {
    this.pages = new Uint32Array(capacity)
    this.offsets = new Uint32Array(capacity)
    this.lengths = new Uint32Array(capacity)
  }

  push(page: number, byteOffset: number, byteLength: number): void {
    this.reserve(1)
    const i = this.count++
    this.pages[i] = page
    this.offsets[i] = byteOffset
    this.lengths[i] = byteLength
  }

  /** Makes room for so many more, and for as many again as there are: pushing one by one stays cheap. */
  reserve(more: number): void {
    const needed = this.count + more
    if (needed > this.pages.length) this.#resize(Math.max(needed, this.count * 2, FIRST_CAPACITY))
  }

  /** Bytes in all segments: more than 32 bits may hold, exact. */
  byteLength(): number {
    const { lengths, count } = this
    let total = 0
    for (let i = 0; i < count; i++) total += lengths[i]!
    return total
  }

  /** Takes the last segments away again. */
  truncate(count: number): void {
    this.offsets.fill(0, count, this.count)
    this.count = count
  }

  /** The same segments, in arrays of their own that have no more room than that. */
  copy(): Segments {
    const copy = new Segments(0)
    copy.pages = this.pages.slice(0, this.count)
    copy.offsets = this.offsets.slice(0, this.count)
    copy.lengths = this.lengths.slice(0, this.count)
    copy.count = this.count
    return copy
  }

  /** Gives back the room that is not used. */
  trim(): this {
    if (this.count < this.pages.length) this.#resize(this.count)
    return this
  }

  #resize(capacity: number): void {
    this.pages = resized(this.pages, this.count, capacity)
    this.offsets = resized(this.offsets, this.count, capacity)
    this.lengths = resized(this.lengths, this.count, capacity)
  }
}

function resized(old: Uint32Array, count: number, capacity: number): Uint32Array {
  if (capacity <= count) return old.slice(0, count)
  const grown = new Uint32Array(capacity)
  grown.set(old.subarray(0, count))
  return grown
}
