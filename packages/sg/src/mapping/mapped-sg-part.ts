import { addToDmaAddress, type DmaAddress } from '@linux-dma/core'
import type { Nents } from '../table/counts'
import type { Segments } from '../table/segments'
import type { SgTable } from '../table/sg-table'
import { type DmaPage, DmaPageIterator } from './dma-pages'
import { type DmaSegment, type DmaSegments, iterateSegments, outside } from './mapped-segments'

/** A part of a mapped table: it ends with that, and is unmapped and synced through it. */
export class MappedSgPart implements DmaSegments {
  /** The part's segments in memory. */
  readonly table: SgTable
  readonly #whole: DmaSegments
  /** Segments of the part: which one of the whole's each lies in, and from which byte of it on. */
  readonly #segments: Segments

  /** @internal use {@link MappedSgTable.split} */
  constructor(whole: DmaSegments, table: SgTable, segments: Segments) {
    this.table = table
    this.#whole = whole
    this.#segments = segments
  }

  /** How many segments the device sees of the part. */
  get nents(): Nents {
    return this.#segments.count as Nents
  }

  get byteLength(): number {
    return this.table.byteLength
  }

  /** Where the device finds a segment's first byte. @throws DMA_RANGE; DMA_NOT_MAPPED; DMA_BUS_MASTER_OFF, DMA_CLOSED */
  dmaAddressAt(i: number): DmaAddress {
    const { pages, offsets } = this.#segments
    this.#check(i)
    return addToDmaAddress(this.#whole.dmaAddressAt(pages[i]!), offsets[i]!)
  }

  /** Bytes in a segment. @throws as {@link dmaAddressAt} */
  dmaLengthAt(i: number): number {
    this.#check(i)
    this.#whole.dmaLengthAt(this.#segments.pages[i]!)
    return this.#segments.lengths[i]!
  }

  /** The segments as the device sees them, through one object. */
  [Symbol.iterator](): Iterator<DmaSegment> {
    return iterateSegments(this)
  }

  /** The same by the page: see {@link MappedSegments.dmaPages}. */
  dmaPages(pageSize = this.table.pageSize): IterableIterator<DmaPage> {
    return new DmaPageIterator(this, pageSize)
  }

  #check(i: number): void {
    if (i >>> 0 !== i || i >= this.#segments.count) throw outside(i, this.#segments.count)
  }
}
