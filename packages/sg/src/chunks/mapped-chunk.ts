import type { DmaAttributes, DmaDevice, TransferDirection } from '@linux-dma/core'
import type { SegmentPlacement } from '../mapping/map-placement'
import { MappedSegments } from '../mapping/mapped-segments'
import type { Segments } from '../table/segments'
import { type SgTable, spaceOf } from '../table/sg-table'

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
  readonly #attributes: DmaAttributes

  /** @internal use {@link mapChunks}, {@link forEachChunk} */
  constructor(
    device: DmaDevice,
    table: SgTable,
    direction: TransferDirection,
    room: ChunkRoom,
    at: { index: number; byteOffset: number; byteLength: number },
    leave: (room: ChunkRoom) => void,
    attributes: DmaAttributes,
  ) {
    super(device, spaceOf(table), room.pieces, direction, at.byteLength, room.placement, attributes)
    this.index = at.index
    this.byteOffset = at.byteOffset
    this.#room = room
    this.#leave = leave
    this.#attributes = attributes
  }

  /** As {@link MappedSegments.unmap}. @param attributes those of the map, where none are passed */
  override unmap(attributes: DmaAttributes = this.#attributes): void {
    super.unmap(attributes)
  }

  /** @internal */
  override get isPart(): boolean {
    return true
  }

  override [Symbol.dispose](): void {
    if (this.mapped) this.unmap()
    else super[Symbol.dispose]()
  }

  protected override left(): void {
    this.#leave(this.#room)
  }
}
