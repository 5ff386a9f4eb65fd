import { DmaError, type DmaMemory } from '@linux-dma/core'
import { PAGE_NUMBERS, type PageSource, type PageSpace } from './page-space'

/** DMA memory, whole, or an ArrayBuffer of JavaScript's heap. */
export class BufferSource implements PageSource {
  readonly memory: DmaMemory | undefined
  readonly firstPage: number
  readonly pageCount: number
  /** Of DMA memory its own view is asked for each time: it says when the memory is closed. */
  readonly #heapBytes: Uint8Array | undefined

  constructor(
    memory: DmaMemory | undefined,
    buffer: ArrayBufferLike | undefined,
    firstPage: number,
    pageSize: number,
  ) {
    this.memory = memory
    this.#heapBytes = buffer && new Uint8Array(buffer)
    this.firstPage = firstPage
    this.pageCount = Math.ceil((memory ?? buffer!).byteLength / pageSize)
  }

  get bytes(): Uint8Array {
    const bytes = this.#heapBytes
    if (bytes === undefined) return this.memory!.bytes
    // It had bytes when it was taken in, and an ArrayBuffer of fixed length loses them in one way only.
    if (bytes.byteLength > 0) return bytes
    throw new DmaError('DMA_DETACHED', 'a buffer of the table is detached', {
      hint: 'it was transferred to a worker or by structuredClone(); make a new table of the buffers there are now',
    })
  }
}

/** Buffers one after the other, with a number between two that no page has: what is not adjacent must not look so. */
export class BufferSpace implements PageSpace {
  readonly pageSize: number
  readonly physical = false
  readonly lowestPage = 0
  readonly endPage: number
  private readonly sources: readonly BufferSource[]
  /** Segments that follow each other mostly lie in one source. */
  private last: BufferSource

  /** @param sources 1 or more, in the order of their numbers */
  constructor(pageSize: number, sources: readonly BufferSource[]) {
    this.pageSize = pageSize
    this.sources = sources
    this.last = sources[0]!
    const { firstPage, pageCount } = sources[sources.length - 1]!
    this.endPage = firstPage + pageCount
  }

  sourceOf(page: number): BufferSource {
    const last = this.last
    if (page >= last.firstPage && page - last.firstPage < last.pageCount) return last
    this.last = this.find(page)
    return this.last
  }

  private find(page: number): BufferSource {
    const { sources } = this
    let low = 0
    let high = sources.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (sources[middle]!.firstPage <= page) low = middle
      else high = middle
    }
    return sources[low]!
  }
}

/** Numbers the pages of buffers as they come in. */
export class BufferSpaceBuilder {
  readonly #pageSize: number
  readonly #sources = new Map<object, BufferSource>()
  #nextPage = 0

  constructor(pageSize: number) {
    this.#pageSize = pageSize
  }

  /** The source for DMA memory or else for a buffer, the same one each time that it is asked for. */
  add(memory: DmaMemory | undefined, buffer?: ArrayBufferLike): BufferSource {
    const key = (memory ?? buffer)!
    const known = this.#sources.get(key)
    if (known) return known
    const added = new BufferSource(memory, memory ? undefined : buffer, this.#nextPage, this.#pageSize)
    this.#nextPage += added.pageCount + 1
    if (this.#nextPage > PAGE_NUMBERS) {
      throw new DmaError(
        'DMA_TOO_LARGE',
        'the buffers have more than the 2^32 pages that a table can number',
        {
          hint: 'make several tables',
        },
      )
    }
    this.#sources.set(key, added)
    return added
  }

  build(): BufferSpace {
    return new BufferSpace(this.#pageSize, [...this.#sources.values()])
  }
}
