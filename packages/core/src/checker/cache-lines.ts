/** A line that so many mappings have counts no further, neither up nor down. */
const MANY = 255

/** How many mappings that a device may write have each cache line of one memory: a byte for each line. */
export class CacheLines {
  readonly #counts: Uint8Array
  readonly #lineSize: number

  constructor(byteLength: number, lineSize: number) {
    this.#lineSize = lineSize
    this.#counts = new Uint8Array(Math.ceil(byteLength / lineSize))
  }

  /** The most mappings that one line of a range has. */
  most(byteOffset: number, byteLength: number): number {
    const counts = this.#counts
    const last = this.#last(byteOffset, byteLength)
    let most = 0
    for (let line = this.#first(byteOffset); line <= last; line++) {
      const count = counts[line]!
      if (count > most) most = count
    }
    return most
  }

  add(byteOffset: number, byteLength: number): void {
    const counts = this.#counts
    const last = this.#last(byteOffset, byteLength)
    for (let line = this.#first(byteOffset); line <= last; line++) {
      if (counts[line]! < MANY) counts[line]!++
    }
  }

  remove(byteOffset: number, byteLength: number): void {
    const counts = this.#counts
    const last = this.#last(byteOffset, byteLength)
    for (let line = this.#first(byteOffset); line <= last; line++) {
      const count = counts[line]!
      if (count > 0 && count < MANY) counts[line] = count - 1
    }
  }

  #first(byteOffset: number): number {
    return Math.floor(byteOffset / this.#lineSize)
  }

  #last(byteOffset: number, byteLength: number): number {
    return Math.floor((byteOffset + byteLength - 1) / this.#lineSize)
  }
}
