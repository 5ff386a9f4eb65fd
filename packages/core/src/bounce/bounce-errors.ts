import { DmaError, isDmaError } from '@linux-dma/native'
import type { DmaDevice } from '../device/dma-device'
import { type DmaAddress, formatDmaAddress } from '../vocabulary/address'
import { Slot } from './bounce-slots'

/** What a mapping meets for which no run of slots is free. */
export function full(
  device: DmaDevice,
  byteLength: number,
  slots: { readonly total: number; readonly used: number },
): DmaError {
  return new DmaError(
    'DMA_BOUNCE_FULL',
    `the bounce buffer of ${device.name} has no ${byteLength} bytes free in a row: ` +
      `${slots.total} slots of ${Slot.ByteLength} bytes in all, ${slots.used} used`,
    { hint: 'raise byteLength of bounceOps(), or unmap what is done with' },
  )
}

/** What a copy from or to a buffer meets that is detached, or shorter than it was. */
export function bufferGone(): DmaError {
  return new DmaError('DMA_DETACHED', 'the buffer was detached or shrunk while it was mapped', {
    hint: 'unmap a buffer before it is transferred or resized',
  })
}

/** What a mapping meets that could never fit. */
export function tooLong(byteLength: number, limit: number, what: string): DmaError {
  return new DmaError(
    'DMA_BOUNCE_TOO_LONG',
    `${byteLength} bytes do not bounce in one piece: ${what} holds ${limit} at most`,
    {
      hint: 'dmaMaxMappingSize(device) says how long a mapping may be; cut the buffer up: forEachChunk() and mapChunks() of @linux-dma/sg do it for a table',
    },
  )
}

/** What an address meets at which nothing is. */
export function notMapped(device: DmaDevice, address: DmaAddress): DmaError {
  return new DmaError(
    'DMA_NOT_MAPPED',
    `no bounced mapping of ${device.name} is at ${formatDmaAddress(address)}`,
    {
      hint: 'it was unmapped, or was never made on this device',
    },
  )
}

/** What a transfer meets after the pool went. */
export function poolClosed(device: DmaDevice): DmaError {
  return new DmaError('DMA_CLOSED', `the bounce buffer of ${device.name} is closed`, {
    hint: 'it goes with its device: open that again',
  })
}

/** Whether a DMA path refused pages for where they lie, and not for anything that a copy would meet as well. */
export function isOutOfReach(error: unknown): boolean {
  return ['DMA_ABOVE_MASK', 'DMA_NOT_CONTIGUOUS', 'DMA_NOT_IN_BUFFER'].some((code) => isDmaError(error, code))
}
