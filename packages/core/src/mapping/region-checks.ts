import { DmaError } from '@linux-dma/native'
import { assertRange } from '../checks/validate'
import type { DmaDevice } from '../device/dma-device'
import type { DmaMemory } from '../memory/memory'
import { formatDmaAddress } from '../vocabulary/address'
import {
  assertTransferDirection,
  DmaDirection,
  directionName,
  type TransferDirection,
} from '../vocabulary/direction'
import type { DmaRegion } from './region'

/** Lengths of mappings are kept in 32 bits. */
const LONGEST = 0xffff_ffff

/**
 * Says what is wrong with a part of a region that did not pass the quick check; nothing is with an offset of 4 GiB or more
 * in a region that has so many.
 * @throws DMA_RANGE; DMA_CLOSED; DMA_BUS_MASTER_OFF
 */
export function assertRegionRange(region: DmaRegion, byteOffset: number, byteLength: number): void {
  const { device } = region
  if (region.closed || !device.dmaReady) {
    device.assertReady()
    throw regionClosed(region)
  }
  assertRange(`DMA region of ${device.name}`, byteOffset, byteLength, region.byteLength)
  if (byteLength > LONGEST) assertRange(`DMA region of ${device.name}`, 0, byteLength, LONGEST)
}

/** What a region answers once it is closed. */
export function regionClosed({ device, firstAddress }: DmaRegion): DmaError {
  const where = formatDmaAddress(firstAddress)
  return new DmaError('DMA_CLOSED', `the DMA region of ${device.name} at ${where} is closed`, {
    hint: 'create it again: its memory has another address then',
  })
}

/** @throws DMA_INVALID_ARGUMENT; DMA_DIRECTION for one that the region's own does not include */
export function assertRegionDirection(region: DmaRegion, direction: TransferDirection): void {
  assertTransferDirection(direction)
  if (region.direction === DmaDirection.Bidirectional) return
  throw new DmaError(
    'DMA_DIRECTION',
    `a ${directionName(direction)} mapping does not fit a region registered ${directionName(region.direction)}`,
    { hint: 'create the region with direction: DmaDirection.Bidirectional' },
  )
}

/** An address of one kernel's memory means nothing, or something else, to another. @throws DMA_WRONG_KERNEL */
export function assertSameKernel(device: DmaDevice, memory: DmaMemory): void {
  if (device.kernel === memory.kernel) return
  throw new DmaError(
    'DMA_WRONG_KERNEL',
    `the memory is of the kernel '${memory.kernel.name}', ${device.name} of another, '${device.kernel.name}'`,
    { hint: 'allocate it where the device is: allocateDmaMemory({ byteLength, kernel: device.kernel })' },
  )
}
