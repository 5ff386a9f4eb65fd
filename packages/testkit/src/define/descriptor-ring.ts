import type { DmaEngine } from '../models/device-model'
import type { StructLayout } from './struct-layout'

/** Where a ring is: asked for at each access, since registers tell. */
export interface RingPlace {
  /** Bus address of the first descriptor. */
  base(): number | bigint
  /** Descriptors in the ring. */
  entries(): number
}

/** A descriptor that the device took from its ring. */
export interface RingEntry<Values extends object> {
  readonly index: number
  /** Undefined where the descriptor could not be read. */
  readonly values: Values | undefined
}

/** A ring of descriptors in memory, as a device walks it. */
export class DescriptorRing<Values extends object> {
  /** Index of the descriptor that the device takes next. */
  head = 0
  readonly #layout: StructLayout<Values>
  readonly #place: RingPlace
  readonly #dma: DmaEngine

  constructor(layout: StructLayout<Values>, place: RingPlace, dma: DmaEngine) {
    this.#layout = layout
    this.#place = place
    this.#dma = dma
  }

  /**
   * How many descriptors lie before `tail`, the index behind the last one that the driver has given. A ring whose tail is
   * where its head is is empty. None where the tail is not in the ring.
   */
  available(tail: number): number {
    const entries = this.#place.entries()
    return tail < entries && this.head < entries ? (tail - this.head + entries) % entries : 0
  }

  /** Reads the next descriptor and moves on; undefined where there is none before `tail`. */
  take(tail: number): RingEntry<Values> | undefined {
    if (this.available(tail) === 0) return undefined
    const index = this.head
    this.head = (index + 1) % this.#place.entries()
    return { index, values: this.read(index) }
  }

  /** Reads a descriptor. Undefined where not all of it came. */
  read(index: number): Values | undefined {
    const bytes = new Uint8Array(this.#layout.byteLength)
    return this.#dma.read(this.#addressOf(index), bytes) ? this.#layout.decode(bytes) : undefined
  }

  /**
   * Writes fields of a descriptor back, one after the other: the one that tells a driver that it is done comes last.
   * Returns whether all went.
   */
  writeBack(index: number, values: Partial<Values>): boolean {
    const bytes = this.#layout.encode(values)
    const address = this.#addressOf(index)
    return (Object.keys(values) as (keyof Values)[])
      .map((field) => {
        const { offset, byteLength } = this.#layout.place(field)
        return this.#dma.write(address + BigInt(offset), bytes.subarray(offset, offset + byteLength))
      })
      .every(Boolean)
  }

  reset(): void {
    this.head = 0
  }

  #addressOf(index: number): bigint {
    return BigInt(this.#place.base()) + BigInt(index * this.#layout.byteLength)
  }
}
