import { type DmaRegion, toNumber } from '@linux-dma/core'
import type { PageSource, PageSpace } from '../table/page-space'
import type { Segments } from '../table/segments'
import type { SegmentRules } from './merge-segments'

/**
 * Addresses of segments for as long as they lie in one region and cross no boundary: pure arithmetic.
 * @param source where segment `from` lies, in memory of the region
 * @returns the first segment that does not
 */
export function mapInRegion(
  space: PageSpace,
  source: PageSource,
  segments: Segments,
  from: number,
  count: number,
  region: DmaRegion,
  rules: SegmentRules,
  addresses: Float64Array,
  lengths: Uint32Array,
): number {
  const { pages, offsets, lengths: byteLengths } = segments
  const { pageSize } = space
  const { firstPage } = source
  const low = region.memoryOffset
  const high = low + region.byteLength
  const toAddress = toNumber(region.dmaAddress) - low
  // Without an IOMMU the kernel does not look at boundaries either; and most regions have none in them.
  const { granule, boundary } = rules
  const perBoundary = 1 / (boundary + 1)
  const looks =
    granule > 0 &&
    Math.floor((toAddress + low) * perBoundary) !== Math.floor((toAddress + high - 1) * perBoundary)
  let i = from
  for (; i < count; i++) {
    // Of another buffer's page it is negative, or far beyond the end: no two have neighbouring numbers.
    const start = (pages[i]! - firstPage) * pageSize + offsets[i]!
    const byteLength = byteLengths[i]!
    if (start < low || start + byteLength > high || byteLength === 0) break
    const address = toAddress + start
    if (
      looks === true &&
      Math.floor(address * perBoundary) !== Math.floor((address + byteLength - 1) * perBoundary)
    ) {
      break
    }
    addresses[i] = address
    lengths[i] = byteLength
  }
  return i
}
