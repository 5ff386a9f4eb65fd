import type { DmaDevice, TransferDirection } from '@linux-dma/core'
import type { SegmentPlacement } from '../mapping/map-placement'
import { MappedSegments } from '../mapping/mapped-segments'
import type { Segments } from '../table/segments'
import type { SgTable } from '../table/sg-table'

/** What a chunk is kept in. It is used for another chunk once that one is unmapped. */
export interface ChunkRoom {
  readonly placement: SegmentPlacement
  readonly pieces: Segments
}

/** A part of a table that a device has: no more than it takes at a time. */
export class MappedChunk extends MappedSegments {
  /** Counted from 0. */
  readonly index: number
  /** Bytes of the table before this chunk. */
  readonly byteOffset: number
  protected readonly what = 'chunk'
  readonly #leave: (room: ChunkRoom) => void
  readonly #room: ChunkRoom

  /** @internal use {@link mapChunks}, {@link forEachChunk} */
  constructor(
    device: DmaDevice,
    table: SgTable,
    direction: TransferDirection,
    room: ChunkRoom,
    at: { index: number; byteOffset: number; byteLength: number },
    leave: (room: ChunkRoom) => void,
  ) {
    super(device, table.space, room.pieces, direction, at.byteLength, room.placement)
    this.index = at.index
    this.byteOffset = at.byteOffset
    this.#room = room
    this.#leave = leave
  }

  protected override left(): void {
    this.#leave(this.#room)
  }
}
