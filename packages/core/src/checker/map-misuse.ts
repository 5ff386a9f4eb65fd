import { type DmaError, isDmaError } from '@linux-dma/native'
import { rangeOf } from '../checks/view-range'
import type { DmaDevice } from '../device/dma-device'
import type { DmaMemory } from '../memory/memory'
import { isForeign, isReadOnly, memoryOf } from '../memory/memory-of'
import { DmaDirection, type TransferDirection } from '../vocabulary/direction'
import { DmaMisuse } from './misuse'
import { misused } from './misused'

/** Which mistake it is to map what is refused with a code. */
const byCode: Readonly<Record<string, DmaMisuse>> = {
  DMA_CLOSED: DmaMisuse.MapInvalid,
  DMA_QUARANTINED: DmaMisuse.MapInvalid,
  DMA_NO_KERNEL_MAPPING: DmaMisuse.MapInvalid,
  DMA_DETACHED: DmaMisuse.MapUnstable,
  DMA_RESIZABLE: DmaMisuse.MapUnstable,
  DMA_NOT_DMA_MEMORY: DmaMisuse.MapHeap,
}

/**
 * The memory of a buffer that is to be mapped.
 * @throws what `memoryOf` throws, with what a checker knows; DMA_DEBUG for a view that can only be read, where a checker throws
 */
export function mappableMemory(
  device: DmaDevice,
  buffer: ArrayBufferView,
  direction: TransferDirection,
): { memory: DmaMemory; range: ReturnType<typeof memoryOf>['range'] } {
  const { ledger } = device
  if (!ledger) return memoryOf(buffer)
  try {
    const found = memoryOf(buffer)
    if (direction !== DmaDirection.ToDevice && isReadOnly(buffer)) {
      mappedReadOnly(device, buffer.byteLength, direction)
    }
    return found
  } catch (error) {
    const foreign = ArrayBuffer.isView(buffer) && isForeign(rangeOf(buffer).buffer)
    throw refusedMap(device, error, direction, buffer?.byteLength, foreign)
  }
}

/**
 * What was refused to be mapped, with what a checker knows.
 * @param foreign whether it is memory of somebody else, and not of JavaScript's own heap
 */
export function refusedMap(
  device: DmaDevice,
  error: unknown,
  direction: TransferDirection,
  size?: number,
  foreign = false,
): unknown {
  const misuse = isDmaError(error) && !('class' in error) ? byCode[error.code] : undefined
  if (misuse === undefined) return error
  const which = foreign && misuse === DmaMisuse.MapHeap ? DmaMisuse.MapInvalid : misuse
  const facts = { size, direction, expected: 'a view of open DMA memory', actual: found[which] }
  return misused(device, which, error as DmaError, facts)
}

const found: Partial<Record<DmaMisuse, string>> = {
  1: 'memory that is closed, or no device’s to have',
  2: 'a buffer that can move or go',
  3: 'memory of JavaScript’s own heap',
}

function mappedReadOnly(device: DmaDevice, size: number, direction: TransferDirection): void {
  device.ledger?.checker?.complain(
    device,
    DmaMisuse.MapReadOnly,
    `the device is to write ${size} bytes that this process mapped for reading only`,
    'map them ToDevice, or pass a view that may be written: those who mapped them for reading count on it that they stay',
    { size, direction, expected: 'a view that may be written', actual: 'one of a mapping for reading' },
  )
}
