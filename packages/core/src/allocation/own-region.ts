import { DmaError, isDmaError } from '@linux-dma/native'
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

/** Pages that memory is taken from where it has to lie in one piece and base pages do not: what x86-64 and arm64 have. */
const HUGE_PAGES = [0x20_0000, 0x4000_0000] as const

/**
 * Zeroed memory that is mapped for a device as a whole, and goes with its region. Where a device is given physical
 * addresses it lies in one piece: a huge page, where base pages do not happen to follow each other.
 * @throws DMA_NOT_CONTIGUOUS where there is no such piece; ENOMEM, ENOSPC and what else the allocation and the device's path
 *   answer. Nothing stays allocated then.
 */
export function allocateOwnRegion(
  device: DmaDevice,
  byteLength: number,
  direction: TransferDirection,
  options: OwnRegionOptions,
): DmaRegion {
  try {
    return allocateFrom(device, byteLength, direction, options, options.hugePageSize)
  } catch (error) {
    if (!isDmaError(error, 'DMA_NOT_CONTIGUOUS') || options.hugePageSize !== undefined) throw error
    return allocateInOnePiece(device, byteLength, direction, options)
  }
}

function allocateInOnePiece(
  device: DmaDevice,
  byteLength: number,
  direction: TransferDirection,
  options: OwnRegionOptions,
): DmaRegion {
  const hugePageSize = HUGE_PAGES.find((size) => byteLength <= size)
  if (hugePageSize === undefined) throw tooLongForOnePiece(byteLength)
  try {
    return allocateFrom(device, byteLength, direction, options, hugePageSize)
  } catch (cause) {
    if (!isDmaError(cause, 'ENOMEM') && !isDmaError(cause, 'EINVAL') && !isDmaError(cause, 'ENODEV'))
      throw cause
    throw new DmaError(
      'DMA_NOT_CONTIGUOUS',
      `${byteLength} bytes for ${device.name} have to lie in one piece, and no huge page of ${hugePageSize} is free`,
      {
        hint: `reserve one, as root: echo 1 > /sys/kernel/mm/hugepages/hugepages-${hugePageSize / 1024}kB/nr_hugepages; or allocate at most a page at a time`,
        cause,
      },
    )
  }
}

function allocateFrom(
  device: DmaDevice,
  byteLength: number,
  direction: TransferDirection,
  { purpose, name }: OwnRegionOptions,
  hugePageSize: number | undefined,
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

function tooLongForOnePiece(byteLength: number): DmaError {
  return new DmaError('DMA_NOT_CONTIGUOUS', `${byteLength} bytes do not fit one huge page of 1 GiB`, {
    hint: 'allocateDmaMemory(), and map a table of it: dmaMapSgtable() of @linux-dma/sg; behind an IOMMU an allocation of any size is in one piece to the device',
  })
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
