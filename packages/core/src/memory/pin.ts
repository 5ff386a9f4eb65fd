import type { MemoryPin } from '@linux-dma/native'

/** Bytes of one DMA memory, from `start` up to `end`. @internal */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** Pages of DMA memory that stay where they are: see {@link DmaMemory.pin}. Closed with its memory. */
export class DmaPin implements MemoryPin, Disposable {
  /** Offset of the first pinned byte: that of a page. */
  readonly byteOffset: number
  /** Bytes that are pinned: whole pages. */
  readonly byteLength: number
  readonly #pin: MemoryPin
  readonly #pins: Set<DmaPin>
  /** What is mapped for devices by physical addresses of these pages. */
  #holders = 0
  #closed = false

  /** @internal use `memory.pin()` */
  constructor(pin: MemoryPin, { start, end }: ByteRange, pins: Set<DmaPin>) {
    this.byteOffset = start
    this.byteLength = end - start
    this.#pin = pin
    this.#pins = pins
    pins.add(this)
  }

  get closed(): boolean {
    return this.#closed
  }

  /**
   * Lets the pages go: a physical address of them means nothing from here on. Pages that are mapped for a device stay where
   * they are until they are unmapped. Idempotent.
   */
  close(): void {
    this.#closed = true
    if (this.#holders === 0) this.end()
  }

  /** Whether it pins all of a range of whole pages. @internal */
  covers({ start, end }: ByteRange): boolean {
    return start >= this.byteOffset && end <= this.byteOffset + this.byteLength
  }

  /** Keeps the pages for one mapping more, until {@link release}. @internal */
  hold(): void {
    this.#holders++
  }

  /** One mapping of the pages has ended. @throws what letting the pages go does @internal */
  release(): void {
    this.#holders--
    if (this.#holders === 0 && this.#closed) this.end()
  }

  /** Lets the pages go, whoever has them. @internal */
  end(): void {
    this.#closed = true
    this.#pins.delete(this)
    this.#pin.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** The whole pages that hold some bytes. @internal */
export function pageRange(byteOffset: number, byteLength: number, pageSize: number): ByteRange {
  return {
    start: Math.floor(byteOffset / pageSize) * pageSize,
    end: Math.ceil((byteOffset + byteLength) / pageSize) * pageSize,
  }
}

/** Whether some ranges, in any order, have between them every byte of another. @internal */
export function covers(ranges: readonly ByteRange[], { start, end }: ByteRange): boolean {
  let reached = start
  while (reached < end) {
    let furthest = reached
    for (const range of ranges) {
      if (range.start <= reached && range.end > furthest) furthest = range.end
    }
    if (furthest === reached) return false
    reached = furthest
  }
  return true
}
