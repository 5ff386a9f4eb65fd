import { DmaError } from '@linux-dma/native'
import type { DmaDevice } from '../device/dma-device'
import { DmaRegion, type RegionPurpose } from '../mapping/region'
import { allocateDmaMemory } from '../memory/allocate-memory'
import type { TransferDirection } from '../vocabulary/direction'

/** What an allocation asks for: see {@link allocateOwnRegion}. */
export interface OwnRegionOptions {
  readonly purpose: RegionPurpose
  /** What /proc calls the memory. */
  readonly name: string
  /** Bytes in a huge page, to take it from those. */
  readonly hugePageSize?: number | undefined
}

/**
 * Zeroed memory that is mapped for a device as a whole, and goes with its region.
 * @throws ENOMEM, ENOSPC and what else the allocation and the device's path answer. Nothing stays allocated then.
 */
export function allocateOwnRegion(
  device: DmaDevice,
  byteLength: number,
  direction: TransferDirection,
  { purpose, name, hugePageSize }: OwnRegionOptions,
): DmaRegion {
  const huge = hugePageSize === undefined ? {} : { hugePageSize }
  const memory = allocateDmaMemory({ byteLength, kernel: device.kernel, name, ...huge })
  try {
    return new DmaRegion(device, memory, 0, memory.byteLength, direction, {
      purpose,
      ownsMemory: true,
      capacity: 0,
    })
  } catch (error) {
    memory.close()
    throw error
  }
}

/** @throws DMA_WRONG_DEVICE for an allocation that is another device's; DMA_INVALID_ARGUMENT for what is none */
export function assertAllocationOf(device: DmaDevice, allocation: { readonly device: DmaDevice }): void {
  if (allocation?.device === device) return
  const owner: unknown = (allocation as Partial<typeof allocation> | null | undefined)?.device?.name
  if (typeof owner !== 'string') {
    throw new DmaError('DMA_INVALID_ARGUMENT', `${typeof allocation} is no allocation of ${device.name}`)
  }
  throw new DmaError('DMA_WRONG_DEVICE', `the allocation is ${owner}’s, not ${device.name}’s`, {
    hint: 'pass the device that it was allocated for; another one maps the same memory: createDmaRegion(other, { memory: allocation.memory })',
  })
}
