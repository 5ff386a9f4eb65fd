import { type DmaDevice, type DmaMemory, type TransferDirection, toNumber } from '@linux-dma/core'
import type { PageSpace } from '../table/page-space'
import type { Segments } from '../table/segments'
import type { IommuLayout } from './iommu-layout'
import { IommuRange } from './iommu-range'
import { Pending, startOf } from './map-source'

/**
 * Packs segments into one range of the IOMMU's, with one map for each run that is contiguous in memory as well.
 * @param addresses `Pending.Packed` for each segment that this is for, and its address on return
 * @throws ENOSPC, ENOMEM, EFAULT; nothing stays mapped then
 */
export function packSegments(
  device: DmaDevice,
  layout: IommuLayout,
  space: PageSpace,
  segments: Segments,
  count: number,
  direction: TransferDirection,
  addresses: Float64Array,
): IommuRange {
  const iommu = device.ops.iommu!
  const { granule } = iommu
  layout.clear()
  for (let i = 0; i < count; i++) {
    if (addresses[i] !== Pending.Packed) continue
    const start = startOf(space, space.sourceOf(segments.pages[i]!), segments, i)
    layout.add(start % granule, segments.lengths[i]!)
  }
  // Addresses are numbers, exact so far: no path hands out others.
  const highest = Math.min(Number(device.dmaMask), Number.MAX_SAFE_INTEGER)
  const range = new IommuRange(device, iommu, layout.byteLength, layout.alignment(highest))
  try {
    try {
      fill(range, granule, layout, space, segments, count, direction, addresses)
    } finally {
      range.filled()
    }
    return range
  } catch (error) {
    try {
      range.close()
    } catch {
      // The memory is in quarantine, which says why by itself.
    }
    throw error
  }
}

function fill(
  range: IommuRange,
  granule: number,
  layout: IommuLayout,
  space: PageSpace,
  segments: Segments,
  count: number,
  direction: TransferDirection,
  addresses: Float64Array,
): void {
  const base = toNumber(range.dmaAddress)
  layout.clear()
  let memory: DmaMemory | undefined
  let runStart = 0
  let runRangeOffset = 0
  let runLength = 0
  for (let i = 0; i < count; i++) {
    if (addresses[i] !== Pending.Packed) continue
    const source = space.sourceOf(segments.pages[i]!)
    const start = startOf(space, source, segments, i)
    const inner = start % granule
    const rangeOffset = layout.add(inner, segments.lengths[i]!)
    const follows =
      source.memory === memory &&
      start - inner === runStart + runLength &&
      rangeOffset === runRangeOffset + runLength
    if (!follows) {
      if (memory) range.map(runRangeOffset, memory, runStart, runLength, direction)
      memory = source.memory
      runStart = start - inner
      runRangeOffset = rangeOffset
      runLength = 0
    }
    runLength = layout.byteLength - runRangeOffset
    addresses[i] = base + rangeOffset + inner
  }
  range.map(runRangeOffset, memory!, runStart, runLength, direction)
}
