import type { DmaDevice } from '@linux-dma/core'
import type { PageSpace } from '../table/page-space'
import type { Segments } from '../table/segments'
import { aboveReach, frameWouldBounce, physicalRefused } from './map-errors'
import { emptySegment, highestAddress } from './map-source'
import { PhysicalHold } from './physical-hold'

/**
 * Addresses of segments that are frames of the machine's memory, on a path where these are the same.
 * @returns what is to be closed at the unmap
 * @throws DMA_UNSUPPORTED on another path; EIO above the device's mask or its bus; DMA_NO_CPU_VIEW for what has to be
 *   bounced; DMA_INVALID_ARGUMENT
 */
export function mapFrames(
  device: DmaDevice,
  space: PageSpace,
  segments: Segments,
  count: number,
  addresses: Float64Array,
  lengths: Uint32Array,
): PhysicalHold {
  const { bouncer, physical } = device.ops
  if (physical !== true) throw physicalRefused(device)
  const { pages, offsets, lengths: byteLengths } = segments
  const { pageSize } = device.kernel
  const highest = highestAddress(device)
  let lowest = Number.MAX_SAFE_INTEGER
  let end = 0
  for (let i = 0; i < count; i++) {
    const address = pages[i]! * space.pageSize + offsets[i]!
    const byteLength = byteLengths[i]!
    if (byteLength === 0) throw emptySegment(i)
    if (bouncer?.needed(device, address as never, address % pageSize, byteLength)) {
      throw frameWouldBounce(i, address, byteLength)
    }
    if (address + byteLength - 1 > highest) throw aboveReach(device, i, address, byteLength)
    if (address < lowest) lowest = address
    if (address + byteLength > end) end = address + byteLength
    addresses[i] = address
    lengths[i] = byteLength
  }
  const hold = new PhysicalHold(device)
  hold.span(lowest, end)
  return hold
}
