import type { DmaAttributes, DmaDevice, TransferDirection } from '@linux-dma/core'
import type { OrigNents } from '../table/counts'
import { Segments } from '../table/segments'
import { type SgTable, segmentsOf, spaceOf } from '../table/sg-table'
import { type SgSplitOptions, splitSegments } from '../table/split'
import { addMapping, removeMapping, type TableMapping } from '../table/table-mapping'
import type { SegmentPlacement } from './map-placement'
import { givePlacement } from './map-placements'
import { MappedSegments } from './mapped-segments'
import { MappedSgPart } from './mapped-sg-part'

/**
 * A table that belongs to a device from `dmaMapSgtable` to `dmaUnmapSgtable`, except between a sync for the CPU and the
 * next sync for the device. Iterate it for the segments as the device sees them.
 */
export class MappedSgTable extends MappedSegments {
  /**
   * What was mapped: all of the table that was passed, or its first segments. Its `origNents` is what unmaps and syncs of
   * a list count; here, where the DMA addresses are, there is only `nents`.
   */
  readonly table: SgTable
  /** @internal */
  previousMapping: TableMapping | undefined = undefined
  /** The table that was passed, of which `table` may be the first segments. */
  readonly #listed: SgTable
  protected readonly what = 'table'

  /** @internal use {@link dmaMapSgtable} */
  constructor(
    device: DmaDevice,
    table: SgTable,
    direction: TransferDirection,
    placement: SegmentPlacement,
    attributes: DmaAttributes = 0,
    listed = table,
  ) {
    super(device, spaceOf(table), segmentsOf(table), direction, table.byteLength, placement, attributes)
    this.table = table
    this.#listed = listed
    addMapping(listed, this)
  }

  /** Segments in memory. @internal */
  get entries(): OrigNents {
    return this.table.origNents
  }

  /**
   * Divides the mapped table. The parts are mapped for as long as this is. Mirrors `sg_split()` of a mapped list.
   * @throws DMA_NOT_MAPPED; DMA_INVALID_ARGUMENT; DMA_RANGE where the parts have more bytes than there are
   */
  split(options: SgSplitOptions): MappedSgPart[] {
    this.assertMapped()
    const seen = new Segments(this.nents)
    const { lengths } = this.placement
    // The page number of a part's segment says which of the device's segments it lies in.
    for (let i = 0; i < this.nents; i++) seen.push(i, 0, lengths[i]!)
    const tables = this.table.split(options)
    return splitSegments(seen, this.byteLength, options).map(
      (part, i) => new MappedSgPart(this, tables[i]!, part),
    )
  }

  protected override left(): void {
    removeMapping(this.#listed, this)
    givePlacement(this.device, this.placement)
  }
}
