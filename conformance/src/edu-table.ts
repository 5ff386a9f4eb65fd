import { addToDmaAddress, dmaBitMask, dmaSetMaskAndCoherent, type IoRegion, toNumber } from '@linux-dma/core'
import type { DmaSegments } from '@linux-dma/sg'
import type { VfioDevice } from '@linux-dma/vfio'
import { transfer } from './edu'

/** What one transfer of the edu device takes. */
const MOST = 4095
/** The same as the limits of a chunk: one segment, of fewer bytes than the device's buffer has. */
export const EDU_LIMITS = { maxBytes: MOST, maxSegments: 1 }

/** Says how far the edu device reaches, and lets it use the bus. */
export function ready(device: VfioDevice): VfioDevice {
  dmaSetMaskAndCoherent(device, dmaBitMask(28))
  device.setMaster()
  return device
}

/** What a device reads of a table, through a region that it writes the bytes back to. */
export async function readByDevice(
  registers: IoRegion,
  segments: DmaSegments,
  sink: { dmaAddress: unknown; bytes: Uint8Array },
): Promise<Uint8Array> {
  let done = 0
  for (const { dmaAddress, dmaLength } of segments) {
    for (let at = 0; at < dmaLength; at += MOST) {
      const byteLength = Math.min(MOST, dmaLength - at)
      await transfer(registers, 'to-device', addToDmaAddress(dmaAddress, at), byteLength)
      await transfer(registers, 'from-device', addToDmaAddress(sink.dmaAddress as never, done), byteLength)
      done += byteLength
    }
  }
  return sink.bytes.subarray(0, done)
}

/** Has a device write bytes, which it is first given through a region, to all of a table. */
export async function writeByDevice(
  registers: IoRegion,
  segments: DmaSegments,
  source: { dmaAddress: unknown },
): Promise<number> {
  let done = 0
  for (const { dmaAddress, dmaLength } of segments) {
    for (let at = 0; at < dmaLength; at += MOST) {
      const byteLength = Math.min(MOST, dmaLength - at)
      await transfer(registers, 'to-device', addToDmaAddress(source.dmaAddress as never, done), byteLength)
      await transfer(registers, 'from-device', addToDmaAddress(dmaAddress, at), byteLength)
      done += byteLength
    }
  }
  return done
}

/** The segments that a device sees, as plain numbers. */
export function listOf(segments: DmaSegments): { address: number; byteLength: number }[] {
  return Array.from(segments, ({ dmaAddress, dmaLength }) => ({
    address: toNumber(dmaAddress),
    byteLength: dmaLength,
  }))
}
