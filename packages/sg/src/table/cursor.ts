import { type SgTable, segmentsOf } from './sg-table'

/**
 * The segment that an iteration has come to. There is one cursor for a whole loop: keep what it says, not itself.
 */
export class SgCursor {
  /** Which segment it is, from 0. */
  index = 0
  private readonly table: SgTable

  /** @internal */
  constructor(table: SgTable) {
    this.table = table
  }

  /** See {@link SgTable.pageAt}. */
  get page(): number {
    return segmentsOf(this.table).pages[this.index]!
  }

  /** See {@link SgTable.offsetAt}. */
  get byteOffset(): number {
    return segmentsOf(this.table).offsets[this.index]!
  }

  /** See {@link SgTable.lengthAt}. */
  get byteLength(): number {
    return segmentsOf(this.table).lengths[this.index]!
  }

  /** A view of the segment's bytes, made when asked for: see {@link SgTable.bytesAt}. */
  get bytes(): Uint8Array {
    return this.table.bytesAt(this.index)
  }
}

/** Walks a table's segments with one cursor and one result: nothing is allocated for each segment. */
export class SgIterator implements IterableIterator<SgCursor> {
  private readonly cursor: SgCursor
  private readonly count: number
  private readonly result: IteratorYieldResult<SgCursor>
  private following = 0

  /** @internal use `for (const segment of table)` */
  constructor(table: SgTable) {
    this.cursor = new SgCursor(table)
    this.count = table.origNents
    this.result = { done: false, value: this.cursor }
  }

  next(): IteratorResult<SgCursor> {
    if (this.following >= this.count) return { done: true, value: undefined }
    this.cursor.index = this.following++
    return this.result
  }

  [Symbol.iterator](): this {
    return this
  }
}
