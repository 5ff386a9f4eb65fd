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

  /** @internal use `memory.pin()` */
  constructor(pin: MemoryPin, { start, end }: ByteRange, pins: Set<DmaPin>) {
    this.byteOffset = start
    this.byteLength = end - start
    this.#pin = pin
    this.#pins = pins
    pins.add(this)
  }

  get closed(): boolean {
    return this.#pin.closed
  }

  /** Lets the pages go: a physical address of them means nothing from here on. Idempotent. */
  close(): void {
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
