import { DmaError } from '@linux-dma/native'
import { allocateFor } from '../allocation/own-region'
import { assertMemory } from '../checks/memory'
import { assertDevice, assertOptions } from '../checks/validate'
import type { DmaDevice } from '../device/dma-device'
import type { DmaMemory } from '../memory/memory'
import { assertTransferDirection, DmaDirection, type TransferDirection } from '../vocabulary/direction'
import { MAX_LIVE_MAPPINGS } from './mapping-table'
import { DmaRegion } from './region'

/** What to register: see {@link createDmaRegion}. One of `byteLength` and `memory` is needed. */
export interface DmaRegionOptions {
  /** Allocate this many bytes for the region, which then owns them. */
  byteLength?: number
  /** Register existing memory, which outlives the region. */
  memory?: DmaMemory
  /** Which way the device may move bytes in all of it. Default: both. */
  direction?: TransferDirection
  /** Make room for this many live mappings at once, so that the table never has to grow. Default: 256, at the first one. */
  expectedMappings?: number
  /** Bytes in a huge page, for a region that allocates. */
  hugePageSize?: number
}

/**
 * Registers memory with a device, whole and once, so that mapping parts of it needs no system call.
 *
 * Set the device's mask first: the region's address is chosen below it.
 * @throws DMA_INVALID_ARGUMENT; DMA_BUS_MASTER_OFF; DMA_CLOSED; what the device's DMA path answers, for VFIO ENOMEM at
 *   the memory-lock limit and ENOSPC where no address below the mask is free. Nothing stays mapped then.
 * @example
 * ```ts
 * using region = createDmaRegion(device, { byteLength: 1 << 20 })
 * const handle = region.mapSingle(0, 4096, DmaDirection.ToDevice)
 * registers.writeAddress(0x80, region.addressOf(handle))
 * ```
 */
export function createDmaRegion(device: DmaDevice, options: DmaRegionOptions): DmaRegion {
  assertDevice('createDmaRegion', device)
  assertOptions('createDmaRegion', options, [
    'byteLength',
    'memory',
    'direction',
    'expectedMappings',
    'hugePageSize',
  ])
  const {
    direction = DmaDirection.Bidirectional,
    expectedMappings,
    byteLength,
    hugePageSize,
    memory: given,
  } = options
  assertTransferDirection(direction)
  if (
    expectedMappings !== undefined &&
    !(Number.isInteger(expectedMappings) && expectedMappings >= 1 && expectedMappings <= MAX_LIVE_MAPPINGS)
  ) {
    throw new DmaError(
      'DMA_INVALID_ARGUMENT',
      `expectedMappings is ${expectedMappings}, not 1 to ${MAX_LIVE_MAPPINGS}`,
    )
  }
  if ((given === undefined) === (byteLength === undefined) || (given && hugePageSize !== undefined)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', 'createDmaRegion: give either byteLength or memory', {
      hint: '{ byteLength, hugePageSize } allocates and owns the memory, { memory } registers what allocateDmaMemory() gave',
    })
  }
  if (given !== undefined) assertMemory(given)
  device.assertReady()
  const memory =
    given ?? allocateFor(device, byteLength!, { purpose: 'region', name: 'linux-dma', hugePageSize })
  try {
    memory.assertOpen()
    return new DmaRegion(device, memory, 0, memory.byteLength, direction, {
      purpose: 'region',
      ownsMemory: given === undefined,
      capacity: expectedMappings ?? 0,
    })
  } catch (error) {
    if (given === undefined) memory.close()
    throw error
  }
}
