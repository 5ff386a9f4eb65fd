import {
  type DmaAttributes,
  type DmaDevice,
  DmaDirection,
  type DmaError,
  type DmaMemory,
  type DmaMisuse,
  misused,
  type TransferDirection,
} from '@linux-dma/core'
import { copyToBuffer } from '../table/copy'
import type { PageSpace } from '../table/page-space'
import type { Segments } from '../table/segments'
import type { SegmentPlacement } from './map-placement'
import { startOf } from './map-source'
import { assertSegments } from './segment-misuse'

type Ledger = NonNullable<DmaDevice['ledger']>

/** What is mapped, for who records it. */
export interface MappedTable {
  readonly device: DmaDevice
  readonly space: PageSpace
  readonly segments: Segments
  readonly placement: SegmentPlacement
  readonly direction: TransferDirection
  readonly attributes: DmaAttributes
  readonly mapped: boolean
  readonly owner: 'cpu' | 'device'
  /** A part of a table, of which others may be mapped at the same time. */
  readonly isPart: boolean
}

/**
 * The records of a mapped table in the ledger of its device: one for each segment as the device sees it, as the kernel has them. Made
 * where there is a ledger.
 */
export class TableEntries {
  readonly #ledger: Ledger
  readonly #number: number
  readonly #notes: Int32Array
  readonly #table: MappedTable
  /** Whether cache lines are counted, which is done again backwards. */
  readonly #lined: boolean
  #ended = false

  /** @throws DMA_DEBUG for what the checker has against the table; nothing of it is recorded then */
  constructor(ledger: Ledger, table: MappedTable) {
    const { placement, segments, direction, attributes } = table
    this.#ledger = ledger
    this.#table = table
    assertSegments(ledger.device, table)
    this.#lined = ledger.checker !== undefined && direction !== DmaDirection.ToDevice
    if (this.#lined) {
      this.#eachPiece((memory, start, byteLength) => {
        ledger.assertApart(memory, start, byteLength, direction, attributes)
      })
      this.#eachPiece((memory, start, byteLength) => ledger.checker?.linesOf(memory).add(start, byteLength))
    }
    this.#number = ledger.own({
      isMapped: () => table.mapped,
      isCpuOwned: () => table.owner === 'cpu',
      gone: () => this.end(),
    })
    this.#notes = new Int32Array(placement.nents)
    const site = ledger.site(true)
    const bytes = this.#copy(placement.lengths)
    for (let i = 0; i < placement.nents; i++) {
      const [address, byteLength] = [placement.addresses[i]!, placement.lengths[i]!]
      const { count } = segments
      const note = ledger.segment(this.#number, address, byteLength, direction, count, site, bytes?.(i))
      this.#notes[i] = note
    }
  }

  /** The table is taken from the device. Idempotent. */
  end(): void {
    // The device may be closed, or watched by another checker.
    if (this.#ended || this.#table.device.ledger !== this.#ledger) return
    this.#ended = true
    if (this.#lined) {
      this.#eachPiece((memory, start, byteLength) => {
        this.#ledger.checker?.linesOf(memory).remove(start, byteLength)
      })
    }
    this.#ledger.endSegments(this.#number, this.#notes, this.#copy(this.#lengths))
  }

  /** All of the table was handed over. */
  synced(verb: 'syncForCpu' | 'syncForDevice'): void {
    const { events } = this.#ledger
    if (this.#ended || !events) return
    const lengths = this.#lengths
    const bytes = this.#copy(lengths)
    for (const [i, note] of this.#notes.entries()) events.synced(note, verb, 0, lengths[i]!, bytes?.(i))
  }

  get #lengths(): Uint32Array {
    return Uint32Array.from(this.#notes, (note) => this.#ledger.records.byteLengthOf(note))
  }

  /** What the CPU has of each segment, where that is wanted. */
  #copy(lengths: Uint32Array): ((index: number) => Uint8Array | undefined) | undefined {
    const { space, segments } = this.#table
    if (this.#ledger.events?.wantsBytes !== true || space.physical) return undefined
    let skip = 0
    return (index) => {
      const bytes = new Uint8Array(lengths[index]!)
      copyToBuffer(space, segments, bytes, skip)
      skip += bytes.byteLength
      return bytes
    }
  }

  /** An error for a misuse of the table, with what is known of it. */
  misused(misuse: DmaMisuse, error: DmaError, found: { expected: string; actual: string }): DmaError {
    const { device, mapped } = this.#table
    const [first = 0] = this.#notes
    const facts = mapped
      ? this.#ledger.factsOf(first)
      : this.#ledger.factsOfEnded(this.#ledger.ended.of(this.#number, 0))
    return misused(device, misuse, error, { ...facts, ...found })
  }

  #eachPiece(use: (memory: DmaMemory, start: number, byteLength: number) => void): void {
    const { space, segments, isPart } = this.#table
    const line = this.#ledger.checker?.cacheLineSize ?? 1
    if (space.physical) return
    for (let i = 0; i < segments.count; i++) {
      const source = space.sourceOf(segments.pages[i]!)
      if (!source.memory) continue
      let start = startOf(space, source, segments, i)
      let end = start + segments.lengths[i]!
      if (isPart) {
        // Where a table is cut is not the driver's doing: a line that is cut through is nobody's.
        start = Math.ceil(start / line) * line
        end = Math.floor(end / line) * line
      }
      if (end > start) use(source.memory, start, end - start)
    }
  }
}

/** An error for a misuse of a table, as a report where a checker watches. */
export function misusedTable(
  device: DmaDevice,
  entries: TableEntries | undefined,
  misuse: DmaMisuse,
  error: DmaError,
  found: { expected: string; actual: string },
): DmaError {
  return entries ? entries.misused(misuse, error, found) : misused(device, misuse, error, found)
}
