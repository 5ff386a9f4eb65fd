import { assertOptions, DmaError } from '@linux-dma/core'
import { copyFromBuffer, copyToBuffer, zero } from './copy'
import type { OrigNents } from './counts'
import { type SgCursor, SgIterator } from './cursor'
import { segmentsFromBuffers } from './from-buffers'
import { framesOf } from './from-pagemap'
import {
  type FromPagesOptions,
  type PageRangeOptions,
  type PageSpaceOptions,
  pageSpaceOf,
  RANGE_OPTIONS,
  SPACE_OPTIONS,
  segmentsFromPages,
} from './from-pages'
import { type SgSegmentInit, segmentsFrom } from './from-segments'
import { segmentsForLength } from './nents'
import type { PageSpace } from './page-space'
import type { Segments } from './segments'
import { type SgSplitOptions, splitSegments } from './split'
import type { TableMapping } from './table-mapping'

/**
 * A list of memory segments: the kernel's `struct sg_table`, in arrays of 12 bytes a segment. What it lists is settled
 * when it is made.
 *
 * It keeps no memory open: that is closed by whom it belongs to, and says so when it is reached for later.
 */
export class SgTable implements Iterable<SgCursor> {
  private readonly space: PageSpace
  private readonly segments: Segments
  /** What it was mapped as last, of what is mapped still. @internal */
  lastMapping: TableMapping | undefined = undefined
  #byteLength = -1

  /** @internal use {@link SgTable.fromPages}, {@link SgTable.fromBuffers} */
  constructor(space: PageSpace, segments: Segments) {
    this.space = space
    this.segments = segments
  }

  /**
   * A table of pages: consecutive numbers share a segment. Mirrors `sg_alloc_table_from_pages_segment()`.
   * @param pages pages of `options.memory`, or frames of the machine's memory; 1 or more
   * @throws DMA_INVALID_ARGUMENT, also for a `maxSegment` below a page; DMA_RANGE for bytes or pages that are not there;
   *   DMA_NO_FRAME for frame 0; DMA_CLOSED, DMA_QUARANTINED
   * @example
   * ```ts
   * const table = SgTable.fromPages([4, 5, 6, 9], { memory, byteOffset: 100, byteLength: 12_000 })
   * ```
   */
  static fromPages(pages: Uint32Array | readonly number[], options: FromPagesOptions = {}): SgTable {
    assertOptions('SgTable.fromPages', options, [...SPACE_OPTIONS, ...RANGE_OPTIONS])
    const space = pageSpaceOf(options)
    return new SgTable(space, segmentsFromPages(pages, space, options))
  }

  /**
   * A table of the frames behind raw entries of `/proc/PID/pagemap`, 8 bytes for each page. The pages have to be pinned:
   * others move.
   * @throws DMA_NO_FRAME for an entry without a frame: not in memory, or not told; and what {@link SgTable.fromPages} throws
   */
  static fromPagemap(
    entries: BigUint64Array,
    options: PageRangeOptions & { pageSize?: number } = {},
  ): SgTable {
    assertOptions('SgTable.fromPagemap', options, ['pageSize', ...RANGE_OPTIONS])
    const space = pageSpaceOf({ pageSize: options.pageSize })
    return new SgTable(space, segmentsFromPages(framesOf(entries), space, options))
  }

  /**
   * A table of buffers, in their order: DMA memory and any others, whole or in part. Bytes that follow each other in the
   * same memory share a segment. After `extract_iter_to_sg()`, and for one buffer `sg_init_one()`.
   *
   * What is no DMA memory can be copied from and to; a device is given it only where its DMA path copies.
   * @param options.maxSegment as for {@link SgTable.fromPages}
   * @throws DMA_INVALID_ARGUMENT; DMA_RANGE for an empty view; DMA_DETACHED; DMA_RESIZABLE; DMA_CLOSED, DMA_QUARANTINED
   * @example
   * ```ts
   * const table = SgTable.fromBuffers([header, payload])
   * ```
   */
  static fromBuffers(views: readonly ArrayBufferView[], options: { maxSegment?: number } = {}): SgTable {
    assertOptions('SgTable.fromBuffers', options, ['maxSegment'])
    const { space, segments } = segmentsFromBuffers(views, options.maxSegment)
    return new SgTable(space, segments)
  }

  /**
   * A table of just these segments, neither merged nor split: `sg_alloc_table()` and a `sg_set_page()` for each.
   * @throws DMA_INVALID_ARGUMENT, also for none at all; DMA_RANGE; DMA_NO_FRAME for frame 0; DMA_CLOSED, DMA_QUARANTINED
   * @example
   * ```ts
   * const table = SgTable.fromSegments([{ page: 0, byteOffset: 512, byteLength: 1024 }], { memory })
   * ```
   */
  static fromSegments(segments: readonly SgSegmentInit[], options: PageSpaceOptions = {}): SgTable {
    assertOptions('SgTable.fromSegments', options, SPACE_OPTIONS)
    const space = pageSpaceOf(options)
    return new SgTable(space, segmentsFrom(segments, space))
  }

  /** Segments in memory. What a device sees of them once they are mapped is `nents` of the mapping. */
  get origNents(): OrigNents {
    return this.segments.count as OrigNents
  }

  /** Bytes in all segments, exact, also above 2^32. */
  get byteLength(): number {
    if (this.#byteLength < 0) this.#byteLength = this.segments.byteLength()
    return this.#byteLength
  }

  /** Bytes in a page. */
  get pageSize(): number {
    return this.space.pageSize
  }

  /** The page that a segment's offset is counted from. Mirrors `sg_page()`. @throws DMA_RANGE */
  pageAt(index: number): number {
    const page = this.segments.pages[index]
    return page !== undefined && index < this.segments.count ? page : this.#noSegment(index)
  }

  /** Where in that page, or beyond it, a segment begins, in bytes. Mirrors `sg->offset`. @throws DMA_RANGE */
  offsetAt(index: number): number {
    const byteOffset = this.segments.offsets[index]
    return byteOffset !== undefined && index < this.segments.count ? byteOffset : this.#noSegment(index)
  }

  /** Bytes in a segment, 1 to 2^32 - 1. Mirrors `sg->length`. @throws DMA_RANGE */
  lengthAt(index: number): number {
    const byteLength = this.segments.lengths[index]
    return byteLength !== undefined && index < this.segments.count ? byteLength : this.#noSegment(index)
  }

  /**
   * A view of a segment's bytes. Mirrors `sg_virt()`.
   * @throws DMA_RANGE; DMA_NO_CPU_VIEW for a table of frames; DMA_CLOSED, DMA_QUARANTINED, DMA_DETACHED
   */
  bytesAt(index: number): Uint8Array {
    const page = this.pageAt(index)
    const source = this.space.sourceOf(page)
    const start = (page - source.firstPage) * this.space.pageSize + this.offsetAt(index)
    return source.bytes.subarray(start, start + this.lengthAt(index))
  }

  /** Goes through the segments with one cursor that moves: `for (const { byteLength } of table)`, after `for_each_sg()`. */
  [Symbol.iterator](): IterableIterator<SgCursor> {
    return new SgIterator(this)
  }

  /**
   * How many segments it takes to hold the first `byteLength` bytes. Mirrors `sg_nents_for_len()`.
   * @throws DMA_RANGE for more than there are
   */
  nentsForLength(byteLength: number): OrigNents {
    return segmentsForLength(this.segments, byteLength)
  }

  /**
   * Copies from the table into a buffer. Mirrors `sg_pcopy_to_buffer()`.
   * @param skip bytes of the table to leave out at the front
   * @returns bytes copied: fewer than the buffer takes where the table ends before
   * @throws DMA_RANGE, DMA_INVALID_ARGUMENT; DMA_NO_CPU_VIEW; DMA_CLOSED, DMA_QUARANTINED, DMA_DETACHED, DMA_RESIZABLE.
   *   Nothing is copied then.
   */
  copyToBuffer(buffer: ArrayBufferView, skip = 0): number {
    return copyToBuffer(this.space, this.segments, buffer, skip)
  }

  /** Copies from a buffer into the table. Mirrors `sg_pcopy_from_buffer()`. See {@link SgTable.copyToBuffer}. */
  copyFromBuffer(buffer: ArrayBufferView, skip = 0): number {
    return copyFromBuffer(this.space, this.segments, buffer, skip)
  }

  /** Zeroes bytes of the table, all of them by default. Mirrors `sg_zero_buffer()`. See {@link SgTable.copyToBuffer}. */
  zero(byteLength = this.byteLength, skip = 0): number {
    return zero(this.space, this.segments, byteLength, skip)
  }

  /**
   * Tables of parts of this one, one after the other. Mirrors `sg_split()`.
   *
   * Where the kernel leaves a segment of no bytes, behind a skip that ends with a segment, there is none.
   * @throws DMA_INVALID_ARGUMENT; DMA_RANGE where the parts have more bytes than there are
   */
  split(options: SgSplitOptions): SgTable[] {
    return splitSegments(this.segments, this.byteLength, options).map((part) => new SgTable(this.space, part))
  }

  #noSegment(index: number): never {
    throw new DmaError('DMA_RANGE', `segment ${String(index)} of a table of ${this.segments.count}`, {
      hint: 'segments are counted from 0 to origNents - 1',
    })
  }
}

/** The arrays of a table, which are no part of its interface: who changed them would change where a device writes. */
export function segmentsOf(table: SgTable): Segments {
  // biome-ignore lint/complexity/useLiteralKeys: so that the compiler lets this module alone at a private field
  return table['segments']
}

/** What the page numbers of a table mean. */
export function spaceOf(table: SgTable): PageSpace {
  // biome-ignore lint/complexity/useLiteralKeys: so that the compiler lets this module alone at a private field
  return table['space']
}
