import {
  type DmaAttributes,
  type DmaDevice,
  DmaError,
  isDmaError,
  type TransferDirection,
} from '@linux-dma/core'
import { SegmentPlacement } from '../mapping/map-placement'
import { Segments } from '../table/segments'
import { type SgTable, spaceOf } from '../table/sg-table'
import { ChunkCutter } from './chunk-cutter'
import type { CheckedLimits } from './chunk-limits'
import { type ChunkRoom, MappedChunk } from './mapped-chunk'

/** What a shorter piece may not meet: slots are short, and pages lie apart. */
const TOO_LONG = new Set(['DMA_BOUNCE_TOO_LONG', 'DMA_NOT_CONTIGUOUS'])

/** Maps a table chunk by chunk, in rooms that are used again. */
export class ChunkMapper {
  readonly #device: DmaDevice
  readonly #table: SgTable
  readonly #direction: TransferDirection
  readonly #limits: CheckedLimits
  readonly #attributes: DmaAttributes
  readonly #cutter: ChunkCutter
  /** A path that may place a piece where nobody knows beforehand: what came of it is looked at. */
  readonly #looks: boolean
  readonly #empty: ChunkRoom[] = []
  readonly #leave = (room: ChunkRoom): void => {
    this.#empty.push(room)
  }
  #index = 0
  #byteOffset = 0

  constructor(
    device: DmaDevice,
    table: SgTable,
    direction: TransferDirection,
    limits: CheckedLimits,
    attributes: DmaAttributes,
  ) {
    this.#device = device
    this.#table = table
    this.#direction = direction
    this.#limits = limits
    this.#attributes = attributes
    this.#cutter = new ChunkCutter(device, table, direction, limits)
    this.#looks = device.ops.bouncer !== undefined || limits.rules.granule === 0
  }

  /**
   * Maps the next chunk: undefined after the last one.
   * @throws what `dmaMapSgtable` throws; the same chunk is next then
   */
  next(): MappedChunk | undefined {
    this.#device.assertReady()
    const room = this.#empty.pop() ?? {
      placement: new SegmentPlacement(this.#device, this.#limits.rules),
      pieces: new Segments(),
    }
    const byteLength = this.#place(room)
    if (byteLength === 0) return undefined
    const at = { index: this.#index, byteOffset: this.#byteOffset, byteLength }
    const chunk = this.#chunkIn(room, at)
    this.#index++
    this.#byteOffset += byteLength
    return chunk
  }

  #chunkIn(room: ChunkRoom, at: { index: number; byteOffset: number; byteLength: number }): MappedChunk {
    const attributes = this.#attributes
    try {
      return new MappedChunk(this.#device, this.#table, this.#direction, room, at, this.#leave, attributes)
    } catch (error) {
      // What a checker has against it has taken it from the device again.
      this.#leave(room)
      this.#cutter.back()
      throw error
    }
  }

  /** Whether segments crossed no boundary, and did not become too many where pages lie in pieces. */
  #fits(placement: SegmentPlacement): boolean {
    const { rules, maxSegments } = this.#limits
    return placement.nents <= maxSegments && !placement.crosses(rules.boundary)
  }

  #place(room: ChunkRoom): number {
    const { placement, pieces } = room
    for (;;) {
      const byteLength = this.#cutter.cut(pieces)
      if (byteLength === 0) return 0
      try {
        placement.place(spaceOf(this.#table), pieces, pieces.count, this.#direction, this.#attributes)
      } catch (error) {
        if (isTooLong(error) && this.#cutter.finer()) continue
        this.#cutter.back()
        throw error
      }
      if (!this.#looks || this.#fits(placement)) return byteLength
      placement.release(this.#attributes)
      if (this.#cutter.finer()) continue
      throw new DmaError(
        'DMA_UNSUPPORTED',
        `${this.#device.ops.name} keeps no segment within 0x${this.#limits.rules.boundary.toString(16)}`,
        { hint: 'use memory of a region of the device: createDmaRegion()' },
      )
    }
  }
}

function isTooLong(error: unknown): boolean {
  if (!isDmaError(error)) return false
  return TOO_LONG.has(error.code) || (isDmaError(error.cause) && TOO_LONG.has(error.cause.code))
}
