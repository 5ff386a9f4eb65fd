import type { Kernel } from '@linux-dma/native'
import type { UDmaBufInfo } from './u-dma-buf-info'

/** Of a page that an allocation has. Others have how many mappings are on it. */
const ALLOCATED = -1

/**
 * By where a buffer lies: all that is open of one in this process counts its pages together, and a dma-buf that outlives what it was
 * made by is counted for who opens the buffer next.
 */
const pagesOfBuffers = /* @__PURE__ */ new WeakMap<Kernel, Map<string, BufferPages>>()

/**
 * Which pages of one buffer are in use for devices of this process, or shown to others. A page can be in many mappings and dma-bufs, or
 * in one allocation, which nothing else may touch.
 */
export class BufferPages {
  readonly #mappings: Int32Array
  /** How many dma-bufs show a page. */
  readonly #exports: Int32Array

  /** @param count whole pages that the buffer has */
  constructor(count: number) {
    this.#mappings = new Int32Array(count)
    this.#exports = new Int32Array(count)
  }

  /** Those of a buffer, as this process has it. */
  static of(kernel: Kernel, { dmaAddress, size }: UDmaBufInfo): BufferPages {
    const buffers = pagesOfBuffers.get(kernel) ?? new Map<string, BufferPages>()
    pagesOfBuffers.set(kernel, buffers)
    const place = `${dmaAddress}+${size}`
    const pages = buffers.get(place) ?? new BufferPages(Math.floor(size / kernel.pageSize))
    buffers.set(place, pages)
    return pages
  }

  get count(): number {
    return this.#mappings.length
  }

  /** How many pages are in use by nobody. */
  get free(): number {
    return this.#mappings.reduce((sum, _, page) => sum + (this.#isFree(page) ? 1 : 0), 0)
  }

  /**
   * Takes a run of free pages for one allocation: the last one, since what programs lay out by hand mostly begins in front.
   * @param end the run lies before this page
   * @returns its first page; undefined where there is none
   */
  allocate(count: number, end: number): number | undefined {
    const first = this.#lastRun(count, end, (page) => this.#isFree(page))
    if (first !== undefined) this.#mappings.fill(ALLOCATED, first, first + count)
    return first
  }

  /** Whether {@link allocate} would find such a run if no page were in a dma-buf. */
  hasRunBehindExports(count: number, end: number): boolean {
    return this.#lastRun(count, end, (page) => this.#mappings[page] === 0) !== undefined
  }

  /** Gives back what {@link allocate} returned. */
  giveBack(first: number, count: number): void {
    this.#mappings.fill(0, first, first + count)
  }

  /** The first of these pages that an allocation has. A last page that the buffer has a part of is nobody's. */
  allocatedIn(first: number, end: number): number | undefined {
    const index = this.#mappings.subarray(first, end).indexOf(ALLOCATED)
    return index < 0 ? undefined : first + index
  }

  /** Counts one more, or one less, mapping of these pages, of which none is allocated. */
  addMapping(first: number, end: number, more: 1 | -1): void {
    for (let page = first; page < Math.min(end, this.count); page++) this.#mappings[page]! += more
  }

  /** Counts one more, or one less, dma-buf of these pages, of which none is allocated. */
  addExport(first: number, end: number, more: 1 | -1): void {
    for (let page = first; page < end; page++) this.#exports[page]! += more
  }

  #isFree(page: number): boolean {
    return this.#mappings[page] === 0 && this.#exports[page] === 0
  }

  #lastRun(count: number, end: number, isFree: (page: number) => boolean): number | undefined {
    let found = 0
    for (let page = Math.min(end, this.count) - 1; page >= 0; page--) {
      found = isFree(page) ? found + 1 : 0
      if (found >= count) return page
    }
    return undefined
  }
}
