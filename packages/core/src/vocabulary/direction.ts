import { DmaError } from '@linux-dma/native'
import { shown } from '../checks/shown'

/** Which way the bytes of a mapping travel. Values are those of the kernel's `enum dma_data_direction`. */
export const DmaDirection = {
  /** The device reads and writes. */
  Bidirectional: 0,
  /** The device reads what the CPU wrote. */
  ToDevice: 1,
  /** The device writes what the CPU will read. */
  FromDevice: 2,
  /** No transfer: for bookkeeping only. Nothing can be mapped or synced with it. */
  None: 3,
} as const

/** One of the values of {@link DmaDirection}. */
export type DmaDirection = (typeof DmaDirection)[keyof typeof DmaDirection]

/** The directions that a mapping can have: all but none. */
export type TransferDirection = Exclude<DmaDirection, typeof DmaDirection.None>

const names = ['bidirectional', 'to-device', 'from-device', 'none'] as const

/** The direction in words. */
export function directionName(direction: DmaDirection): (typeof names)[number] {
  return names[direction]
}

/** @throws DMA_INVALID_ARGUMENT for anything that is not one of the three. Mirrors `valid_dma_direction()`. */
export function assertTransferDirection(direction: unknown): asserts direction is TransferDirection {
  if (direction !== 0 && direction !== 1 && direction !== 2) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `direction is ${shown(direction)}`, {
      hint: 'use DmaDirection.ToDevice, DmaDirection.FromDevice or DmaDirection.Bidirectional',
    })
  }
}
