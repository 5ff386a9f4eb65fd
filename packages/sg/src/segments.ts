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
    if (this.count === this.pages.length) this.#resize(Math.max(this.count * 2, FIRST_CAPACITY))
    const i = this.count++
    this.pages[i] = page
    this.offsets[i] = byteOffset
    this.lengths[i] = byteLength
  }

  /** Gives back the room that is not used. */
  trim(): this {
    if (this.count < this.pages.length) this.#resize(this.count)
    return this
  }

  #resize(capacity: number): void {
    const grow = (old: Uint32Array) => {
      const grown = new Uint32Array(capacity)
      grown.set(old.subarray(0, this.count))
      return grown
    }
    this.pages = grow(this.pages)
    this.offsets = grow(this.offsets)
    this.lengths = grow(this.lengths)
  }
}
