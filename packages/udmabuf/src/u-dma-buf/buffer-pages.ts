/** Of a page that an allocation has. Others have how many mappings are on it. */
const ALLOCATED = -1

/**
 * Which pages of one buffer are in use for devices of this process. A page can be in many mappings, or in one allocation, which
 * nothing else may touch.
 */
export class BufferPages {
  readonly #uses: Int32Array

  /** @param count whole pages that the buffer has */
  constructor(count: number) {
    this.#uses = new Int32Array(count)
  }

  get count(): number {
    return this.#uses.length
  }

  /** How many pages are in use by nobody. */
  get free(): number {
    return this.#uses.reduce((sum, uses) => sum + (uses === 0 ? 1 : 0), 0)
  }

  /**
   * Takes a run of free pages for one allocation: the last one, since what programs lay out by hand mostly begins in front.
   * @param end the run lies before this page
   * @returns its first page; undefined where there is none
   */
  allocate(count: number, end: number): number | undefined {
    let free = 0
    for (let page = Math.min(end, this.count) - 1; page >= 0; page--) {
      free = this.#uses[page] === 0 ? free + 1 : 0
      if (free < count) continue
      this.#uses.fill(ALLOCATED, page, page + count)
      return page
    }
    return undefined
  }

  /** Gives back what {@link allocate} returned. */
  giveBack(first: number, count: number): void {
    this.#uses.fill(0, first, first + count)
  }

  /** The first of these pages that an allocation has. A last page that the buffer has a part of is nobody's. */
  allocatedIn(first: number, end: number): number | undefined {
    const index = this.#uses.subarray(first, end).indexOf(ALLOCATED)
    return index < 0 ? undefined : first + index
  }

  /** Counts one more, or one less, mapping of these pages, of which none is allocated. */
  addMapping(first: number, end: number, more: 1 | -1): void {
    for (let page = first; page < Math.min(end, this.count); page++) this.#uses[page]! += more
  }
}
