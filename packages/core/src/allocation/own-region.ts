import { DmaError, isDmaError, type Kernel } from '@linux-dma/native'
import { closeAll } from '../checks/close-all'
import { explain } from '../checks/explain'
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
const POOLS = '/sys/kernel/mm/hugepages'
/** That pages cannot be pinned by this process. */
const NO_PIN = ['EPERM', 'ENOSYS', 'ENOTSUP']

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
  if (device.ops.allocateMemory && options.hugePageSize === undefined) {
    return allocateFrom(device, byteLength, direction, options, undefined)
  }
  // That so many base pages lie in one piece is too rare to fetch and pin them all, only to see that they do not.
  const hopeless = device.ops.physical === true && byteLength > HUGE_PAGES[0]
  if (hopeless && options.hugePageSize === undefined) {
    return allocateInOnePiece(device, byteLength, direction, options, 'DMA_NOT_CONTIGUOUS')
  }
  try {
    return allocateFrom(device, byteLength, direction, options, options.hugePageSize)
  } catch (error) {
    if (options.hugePageSize !== undefined) throw error
    if (NO_PIN.some((code) => isDmaError(error, code))) throw notPinned(device, byteLength, options, error)
    const elsewhere = isDmaError(error, 'DMA_NOT_CONTIGUOUS') || isDmaError(error, 'DMA_ABOVE_MASK')
    if (!elsewhere) throw error
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
  const mask = options.purpose === 'coherent' ? device.coherentDmaMask : device.dmaMask
  const hugePageSize = HUGE_PAGES.find((size) => byteLength <= size)
  if (hugePageSize === undefined || !isPossible(device, hugePageSize, mask)) {
    throw tooLongForOnePiece(device, byteLength, mask)
  }
  try {
    return allocateFrom(device, byteLength, direction, options, hugePageSize)
  } catch (cause) {
    if (!isDmaError(cause, 'ENOMEM') && !isDmaError(cause, 'EINVAL') && !isDmaError(cause, 'ENODEV'))
      throw cause
    const above = reason === 'DMA_ABOVE_MASK'
    const where = above ? 'below its mask' : 'in one piece'
    const less = byteLength > HUGE_PAGES[0] ? HUGE_PAGES[0] : device.kernel.pageSize
    const instead = above
      ? 'more of them early after boot, when low memory is free; or set the mask that the device really has'
      : `allocate at most ${less} bytes at a time`
    throw new DmaError(
      reason,
      `${byteLength} bytes for ${device.name} have to lie ${where}: base pages do not, and no huge page of ${hugePageSize} is free`,
      {
        hint: `reserve one, as root: echo 1 > /sys/kernel/mm/hugepages/hugepages-${hugePageSize / 1024}kB/nr_hugepages; or ${instead}`,
        cause,
      },
    )
  }
}

/**
 * Memory for a device, of the device's path where that has some of its own.
 * @throws what that answers; ENOMEM, EMFILE and what else `allocateDmaMemory` does
 */
export function allocateFor(
  device: DmaDevice,
  byteLength: number,
  { purpose, name, hugePageSize }: OwnRegionOptions,
): DmaMemory {
  const mask = purpose === 'coherent' ? device.coherentDmaMask : device.dmaMask
  const own = hugePageSize === undefined ? device.ops.allocateMemory?.(device, byteLength, mask) : undefined
  const huge = hugePageSize === undefined ? {} : { hugePageSize }
  return own ?? allocateDmaMemory({ byteLength, kernel: device.kernel, name, ...huge })
}

/** What the device does not reach is kept until the end, so that the next piece is another. */
function allocateFrom(
  device: DmaDevice,
  byteLength: number,
  direction: TransferDirection,
  { purpose, name }: OwnRegionOptions,
  hugePageSize: number | undefined,
): DmaRegion {
  const unfit: DmaMemory[] = []
  try {
    for (;;) {
      const memory = allocateFor(device, byteLength, { purpose, name, hugePageSize })
      try {
        const region = new DmaRegion(device, memory, 0, memory.byteLength, direction, {
          purpose,
          ownsMemory: true,
          capacity: 0,
        })
        region.requested = byteLength
        if (region.coherent) device.ops.bypassCaches?.(device, region.firstAddress, region.byteLength)
        if (region.coherent) device.ledger?.wholes.allocated(region, region.firstAddress, byteLength, true)
        return region
      } catch (error) {
        unfit.push(memory)
        if (!isDmaError(error, 'DMA_ABOVE_MASK') || unfit.length > MOST_TRIES) throw error
      }
    }
  } finally {
    closeAll(unfit.map((memory) => () => memory.close()))
  }
}

/** Whether the machine has huge pages of a size at all, and one that is aligned to it can lie below the mask. */
function isPossible({ kernel }: DmaDevice, size: number, mask: bigint): boolean {
  return BigInt(2 * size) - 1n <= mask && hasPool(kernel, size)
}

/** Where sysfs does not tell, the allocation does. */
function hasPool(kernel: Kernel, size: number): boolean {
  try {
    return kernel.list(POOLS).includes(`hugepages-${size / 1024}kB`)
  } catch {
    return true
  }
}

function tooLongForOnePiece(device: DmaDevice, byteLength: number, mask: bigint): DmaError {
  const longest = HUGE_PAGES.findLast((size) => isPossible(device, size, mask)) ?? device.kernel.pageSize
  return new DmaError(
    'DMA_NOT_CONTIGUOUS',
    `${byteLength} bytes for ${device.name} have to lie in one piece below 0x${mask.toString(16)}, and no page of this machine that lies there is longer than ${longest} bytes`,
    {
      hint: `allocate at most ${longest} bytes at a time; or allocateDmaMemory(), and map a table of it: dmaMapSgtable() of @linux-dma/sg; behind an IOMMU an allocation of any size is in one piece to the device`,
    },
  )
}

function notPinned(
  { name }: DmaDevice,
  byteLength: number,
  { purpose }: OwnRegionOptions,
  error: unknown,
): unknown {
  const { code } = error as DmaError
  const huge =
    purpose === 'coherent'
      ? `dmaAllocCoherent(device, ${byteLength}, 0, { hugePageSize: 0x200000 })`
      : `createDmaRegion(device, { byteLength: ${byteLength}, hugePageSize: 0x200000 })`
  return explain(error, {
    [code]: () => ({
      message: `${byteLength} bytes for ${name} cannot be pinned: this process may not use io_uring`,
      hint: `allow it: sudo sysctl kernel.io_uring_disabled=0, or in a container a seccomp profile that lets it through; or take huge pages, which stay in place unless an administrator moves them: ${huge}`,
    }),
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
