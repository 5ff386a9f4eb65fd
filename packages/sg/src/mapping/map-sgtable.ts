import {
  assertAttributes,
  assertDevice,
  assertTransferDirection,
  type DmaAttributes,
  type DmaDevice,
  DmaError,
  refusedMap,
  type TransferDirection,
} from '@linux-dma/core'
import type { OrigNents } from '../table/counts'
import { Segments } from '../table/segments'
import { SgTable, segmentsOf, spaceOf } from '../table/sg-table'
import { givePlacement, takePlacement } from './map-placements'
import { NOT_FOR_TABLES } from './mapped-segments'
import { MappedSgTable } from './mapped-sg-table'
import type { SegmentRules } from './merge-segments'

/**
 * Gives the segments of a table to a device. Mirrors `dma_map_sgtable()`; a failure throws, so it cannot go unchecked.
 *
 * Segments in a region of the device (`createDmaRegion`) cost arithmetic. Behind an IOMMU the others are packed into one
 * range of its addresses, with a system call for each piece that is contiguous in memory, and one that unmaps them all;
 * neighbours are joined as far as `dmaSetMaxSegSize` and `dmaSetSegBoundary` allow, so set these before. A segment that
 * would cross the boundary in its region is packed with the others. Where bytes are copied, each segment is mapped by itself.
 *
 * Without an IOMMU the device is given each run of pages that lies in one piece: `nents` is then more than `origNents` where
 * segments do not. Memory is pinned once for the table, unless it is already. Frames are given as they are: whoever has
 * their numbers keeps the pages in place until after the unmap.
 *
 * A table can be mapped several times, also for several devices: each mapping is one of its own.
 * @param direction which way the bytes travel
 * @param attributes `SkipCpuSync`, `RequireCoherent`, or those that have no effect
 * @throws DMA_INVALID_ARGUMENT, DMA_ATTRIBUTE; DMA_CLOSED, DMA_QUARANTINED, DMA_DETACHED, DMA_WRONG_KERNEL for memory;
 *   DMA_NOT_DMA_MEMORY for memory that cannot be pinned, DMA_UNSUPPORTED for frame numbers on a path that translates;
 *   DMA_BUS_MASTER_OFF, DMA_CLOSED for the device; DMA_NOT_COHERENT for `RequireCoherent`; ENOMEM, ENOSPC from its DMA
 *   path; EIO, with its cause, where one segment could not be mapped by itself. Nothing stays mapped then.
 * @example
 * ```ts
 * using mapped = dmaMapSgtable(device, SgTable.fromBuffers([header, payload]), DmaDirection.ToDevice)
 * for (const { dmaAddress, dmaLength } of mapped) descriptors.push(dmaAddress, dmaLength)
 * ```
 */
export function dmaMapSgtable(
  device: DmaDevice,
  table: SgTable,
  direction: TransferDirection,
  attributes: DmaAttributes = 0,
): MappedSgTable {
  assertMappable('dmaMapSgtable', device, table, direction, attributes)
  return map(device, table, direction, attributes)
}

/**
 * Gives the first segments of a table to a device. Mirrors `dma_map_sg()`, which answers 0 where this throws.
 * @param nents segments in memory, 1 to `table.origNents`
 * @throws DMA_RANGE for another count, and what {@link dmaMapSgtable} throws
 */
export function dmaMapSg(
  device: DmaDevice,
  table: SgTable,
  nents: OrigNents,
  direction: TransferDirection,
  attributes: DmaAttributes = 0,
): MappedSgTable {
  assertMappable('dmaMapSg', device, table, direction, attributes)
  if (!Number.isInteger(nents) || nents < 1 || nents > table.origNents) {
    throw new DmaError('DMA_RANGE', `${String(nents)} segments of a table of ${table.origNents}`)
  }
  return map(device, nents === table.origNents ? table : firstOf(table, nents), direction, attributes, table)
}

/** What lays out and joins segments for a device, as its parameters are now. @internal */
export function rulesOf(device: DmaDevice): SegmentRules {
  const { segmentBoundary, maxSegmentSize } = device.parameters
  const { iommu, physical } = device.ops
  return {
    granule: iommu && physical !== true ? iommu.granule : 0,
    boundary: segmentBoundary,
    maxSegmentSize,
  }
}

/** @throws DMA_INVALID_ARGUMENT, DMA_ATTRIBUTE, DMA_CLOSED, DMA_BUS_MASTER_OFF @internal */
export function assertMappable(
  of: string,
  device: DmaDevice,
  table: SgTable,
  direction: TransferDirection,
  attributes: DmaAttributes,
): void {
  assertDevice(of, device)
  if (!(table instanceof SgTable)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `${of}: ${typeof table} is no scatterlist`, {
      hint: 'make one with SgTable.fromBuffers(views); an SgAppendTable gives one when it is done',
    })
  }
  assertTransferDirection(direction)
  assertAttributes(of, attributes, NOT_FOR_TABLES)
  device.assertReady()
}

function map(
  device: DmaDevice,
  table: SgTable,
  direction: TransferDirection,
  attributes: DmaAttributes,
  listed = table,
): MappedSgTable {
  const placement = takePlacement(device, rulesOf(device), table.origNents)
  try {
    placement.place(spaceOf(table), segmentsOf(table), table.origNents, direction, attributes)
  } catch (error) {
    throw refusedMap(device, error, direction, table.byteLength)
  }
  const rest = placement.trim()
  if (rest) givePlacement(device, rest)
  return new MappedSgTable(device, table, direction, placement, attributes, listed)
}

function firstOf(table: SgTable, nents: number): SgTable {
  const first = new Segments(nents)
  const { pages, offsets, lengths } = segmentsOf(table)
  for (let i = 0; i < nents; i++) first.push(pages[i]!, offsets[i]!, lengths[i]!)
  return new SgTable(spaceOf(table), first)
}
