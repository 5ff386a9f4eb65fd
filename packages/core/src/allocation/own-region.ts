import { DmaError, isDmaError } from '@linux-dma/native'
import { closeAll } from '../checks/close-all'
import type { DmaDevice } from '../device/dma-device'
import { DmaRegion, type RegionPurpose } from '../mapping/region'
import { allocateDmaMemory } from '../memory/allocate-memory'
import type { DmaMemory } from '../memory/memory'
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
/** Pieces of memory that are looked at for one that the device reaches. */
const MOST_TRIES = 64
/** What does without a huge page. */
const LESS: Record<string, string> = {
  DMA_ABOVE_MASK:
    'more of them early after boot, when low memory is free; or set the mask that the device really has',
  DMA_NOT_CONTIGUOUS: 'allocate at most a page at a time',
}

/**
 * Zeroed memory that is mapped for a device as a whole, and goes with its region. Where a device is given physical
 * addresses it lies in one piece, below the device's mask: a huge page, where base pages do not happen to.
 * @throws DMA_NOT_CONTIGUOUS where there is no such piece; DMA_ABOVE_MASK where all that was tried lies too high; ENOMEM, ENOSPC and what else the allocation and the device's path
 *   answer. Nothing stays allocated then.
 */
export function allocateOwnRegion(
  device: DmaDevice,
  byteLength: number,
  direction: TransferDirection,
  options: OwnRegionOptions,
): DmaRegion {
  // That so many base pages lie in one piece is too rare to fetch and pin them all, only to see that they do not.
  const hopeless = device.ops.physical === true && byteLength > HUGE_PAGES[0]
  if (hopeless && options.hugePageSize === undefined) {
    return allocateInOnePiece(device, byteLength, direction, options, 'DMA_NOT_CONTIGUOUS')
  }
  try {
    return allocateFrom(device, byteLength, direction, options, options.hugePageSize)
  } catch (error) {
    const elsewhere = isDmaError(error, 'DMA_NOT_CONTIGUOUS') || isDmaError(error, 'DMA_ABOVE_MASK')
    if (!elsewhere || options.hugePageSize !== undefined) throw error
    return allocateInOnePiece(device, byteLength, direction, options, error.code)
  }
}

function allocateInOnePiece(
  device: DmaDevice,
  byteLength: number,
  direction: TransferDirection,
  options: OwnRegionOptions,
  reason: string,
): DmaRegion {
  const hugePageSize = HUGE_PAGES.find((size) => byteLength <= size)
  if (hugePageSize === undefined) throw tooLongForOnePiece(byteLength)
  try {
    return allocateFrom(device, byteLength, direction, options, hugePageSize)
  } catch (cause) {
    if (!isDmaError(cause, 'ENOMEM') && !isDmaError(cause, 'EINVAL') && !isDmaError(cause, 'ENODEV'))
      throw cause
    const where = reason === 'DMA_ABOVE_MASK' ? 'below its mask' : 'in one piece'
    throw new DmaError(
      reason,
      `${byteLength} bytes for ${device.name} have to lie ${where}: base pages do not, and no huge page of ${hugePageSize} is free`,
      {
        hint: `reserve one, as root: echo 1 > /sys/kernel/mm/hugepages/hugepages-${hugePageSize / 1024}kB/nr_hugepages; or ${LESS[reason]}`,
        cause,
      },
    )
  }
}

/** What the device does not reach is kept until the end, so that the next piece is another. */
function allocateFrom(
  device: DmaDevice,
  byteLength: number,
  direction: TransferDirection,
  { purpose, name }: OwnRegionOptions,
  hugePageSize: number | undefined,
): DmaRegion {
  const huge = hugePageSize === undefined ? {} : { hugePageSize }
  const unfit: DmaMemory[] = []
  try {
    for (;;) {
      const memory = allocateDmaMemory({ byteLength, kernel: device.kernel, name, ...huge })
      try {
        return new DmaRegion(device, memory, 0, memory.byteLength, direction, {
          purpose,
          ownsMemory: true,
          capacity: 0,
        })
      } catch (error) {
        unfit.push(memory)
        if (!isDmaError(error, 'DMA_ABOVE_MASK') || unfit.length > MOST_TRIES) throw error
      }
    }
  } finally {
    closeAll(unfit.map((memory) => () => memory.close()))
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
