import {
  type BounceOptions,
  bounceOps,
  dmaAllocCoherent,
  dmaBitMask,
  dmaSetMaskAndCoherent,
  getDmaOps,
  type IoRegion,
  setDmaOps,
} from '@linux-dma/core'
import type { VfioDevice } from '@linux-dma/vfio'
import { fillPattern, transfer } from './edu'

/** Has the device bounce. @returns its registers */
export function bouncing(device: VfioDevice, options?: BounceOptions): IoRegion {
  dmaSetMaskAndCoherent(device, dmaBitMask(28))
  setDmaOps(device, bounceOps(getDmaOps(device), options))
  device.setMaster()
  return device.bar(0)
}

/** Leaves a pattern in the device's buffer. @returns the pattern */
export async function fillDevice(device: VfioDevice, registers: IoRegion, seed: number): Promise<Uint8Array> {
  using source = dmaAllocCoherent(device, 4095)
  fillPattern(source.bytes, seed)
  await transfer(registers, 'to-device', source.dmaAddress, 4095)
  return source.bytes.slice()
}

/** What the device reads at an address. */
export async function seenByDevice(
  device: VfioDevice,
  registers: IoRegion,
  address: Parameters<typeof transfer>[2],
  byteLength: number,
): Promise<Uint8Array> {
  await transfer(registers, 'to-device', address, byteLength)
  using target = dmaAllocCoherent(device, byteLength)
  await transfer(registers, 'from-device', target.dmaAddress, byteLength)
  return target.bytes.slice()
}
