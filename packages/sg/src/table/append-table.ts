import { assertOptions, DmaError } from '@linux-dma/core'
import type { OrigNents } from './counts'
import {
  appendPages,
  type PageRangeOptions,
  type PageSpaceOptions,
  pageSpaceOf,
  RANGE_OPTIONS,
  SPACE_OPTIONS,
} from './from-pages'
import type { PageSpace } from './page-space'
import { Segments } from './segments'
import { SgTable } from './sg-table'

/**
 * A table that pages are added to as they become known: the kernel's `struct sg_append_table`.
 * @example
 * ```ts
 * const append = new SgAppendTable({ memory })
 * append.appendPages([0, 1, 2])
 * append.appendPages([3, 4], { byteLength: 5000 }) // grows the segment that is there
 * const table = append.toTable()
 * ```
 */
export class SgAppendTable {
  readonly #space: PageSpace
  readonly #segments = new Segments()

  /**
   * @param options what the page numbers mean: pages of `memory`, else frames
   * @throws DMA_INVALID_ARGUMENT; DMA_CLOSED, DMA_QUARANTINED
   */
  constructor(options: PageSpaceOptions = {}) {
    assertOptions('SgAppendTable', options, SPACE_OPTIONS)
    this.#space = pageSpaceOf(options)
  }

  /** Segments so far. */
  get origNents(): OrigNents {
    return this.#segments.count as OrigNents
  }

  /** Bytes so far, exact. */
  get byteLength(): number {
    return this.#segments.byteLength()
  }

  /**
   * Adds pages. Those that follow the last segment make it longer, up to `maxSegment`, where it ends at the end of a
   * page. Mirrors `sg_alloc_append_table_from_pages()`.
   *
   * The kernel counts a segment's growth in whole pages whatever the size asked for; here `byteLength` is what is added.
   * @throws DMA_INVALID_ARGUMENT, also for an offset when pages are there already; DMA_RANGE; DMA_NO_FRAME. The table is
   *   then as it was before.
   */
  appendPages(pages: Uint32Array | readonly number[], options: PageRangeOptions = {}): void {
    assertOptions('appendPages', options, RANGE_OPTIONS)
    const { byteOffset = 0, byteLength, maxSegment } = options
    if (byteOffset !== 0 && this.#segments.count > 0) {
      throw new DmaError(
        'DMA_INVALID_ARGUMENT',
        `byteOffset ${String(byteOffset)} behind pages that are there already`,
        {
          hint: 'only the first pages of a table can begin at an offset',
        },
      )
    }
    appendPages(this.#segments, pages, this.#space, byteOffset, byteLength, maxSegment)
  }

  /** The table of what was added so far; what is added later is not part of it. @throws DMA_INVALID_ARGUMENT if empty */
  toTable(): SgTable {
    if (this.#segments.count > 0) return new SgTable(this.#space, this.#segments.copy())
    throw new DmaError('DMA_INVALID_ARGUMENT', 'the table has no pages yet', {
      hint: 'call appendPages() first',
    })
  }
}
