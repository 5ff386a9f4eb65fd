import { isDmaError } from '@linux-dma/native'
import { readFrames } from '../memory/physical'
import { toNumber } from '../vocabulary/address'
import type { DmaRegion } from './region'

/** The kernel tells this process no frames, or no more: what is asked for in passing is then not refused. */
const UNTOLD = ['EACCES', 'EPERM', 'DMA_NO_FRAME']

/**
 * Looks whether a part of a region still is where its device was told, for memory that nothing keeps there: a huge page moves as a
 * whole, so that its first page is looked at. Where it moved, the device's path looks at all that it has given out.
 * @throws DMA_FRAME_MOVED
 */
export function assertStillThere(region: DmaRegion, byteOffset: number, byteLength: number): void {
  const { device, memory, memoryOffset, firstAddress } = region
  if (device.ops.physical !== true || memory.hidden) return
  const step = memory.hugePageSize ?? memory.kernel.pageSize
  const end = memoryOffset + byteOffset + byteLength
  let at = memoryOffset + byteOffset
  while (at < end) {
    const frame = frameAt(region, at)
    if (frame === undefined) return
    const told = toNumber(firstAddress) + at - memoryOffset
    if (frame !== Math.floor(told / memory.kernel.pageSize)) device.ops.verify?.()
    at = (Math.floor(at / step) + 1) * step
  }
}

/** Whether an error says no more than that frames are not told. */
export function isUntold(error: unknown): boolean {
  return UNTOLD.some((code) => isDmaError(error, code))
}

function frameAt({ memory }: DmaRegion, byteOffset: number): number | undefined {
  try {
    return readFrames(memory, { byteOffset, byteLength: 1 })[0]
  } catch (error) {
    if (isUntold(error)) return undefined
    throw error
  }
}
