import type { DmaDevice } from '@linux-dma/core'
import type { PageSpace } from '../table/page-space'
import type { Segments } from '../table/segments'
import { physicalAboveMask, physicalRefused } from './map-errors'
import { emptySegment } from './map-source'

/**
 * Addresses of segments that are frames of the machine's memory, on a path where these are the same.
 * @throws DMA_UNSUPPORTED on another path; EIO above the device's mask; DMA_INVALID_ARGUMENT
 */
export function mapFrames(
  device: DmaDevice,
  space: PageSpace,
  segments: Segments,
  count: number,
  addresses: Float64Array,
  lengths: Uint32Array,
): void {
  if (device.ops.physical !== true) throw physicalRefused(device)
  const { pages, offsets, lengths: byteLengths } = segments
  const highest = Number(device.dmaMask)
  for (let i = 0; i < count; i++) {
    const address = pages[i]! * space.pageSize + offsets[i]!
    const byteLength = byteLengths[i]!
    if (byteLength === 0) throw emptySegment(i)
    if (address + byteLength - 1 > highest) throw physicalAboveMask(device, i, address, byteLength)
    addresses[i] = address
    lengths[i] = byteLength
  }
}
