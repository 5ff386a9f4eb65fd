import { DmaError } from '@linux-dma/native'
import { assertByteLength, assertDevice, assertOptions } from '../checks/validate'
import type { DmaDevice } from '../device/dma-device'
import type { DmaRegion } from '../mapping/region'
import type { DmaMemory } from '../memory/memory'
import type { DmaAddress } from '../vocabulary/address'
import { assertAttributes, DmaAttribute, type DmaAttributes, hasAttribute } from '../vocabulary/attributes'
import { DmaDirection } from '../vocabulary/direction'
import { allocateOwnRegion, assertAllocationOf } from './own-region'
import { wrongFamily } from './wrong-family'

/** What a coherent allocation is made of: see {@link dmaAllocCoherent}. */
export interface CoherentOptions {
  /** Bytes in a huge page, for example `0x200000`, to take memory from the hugetlb pool. Default: base pages. */
  hugePageSize?: number
}

/** The huge page that `ForceContiguous` takes where none is named: what x86-64 and arm64 have by default. */
const USUAL_HUGE_PAGE = 0x20_0000

/** What memory that is shared all the time cannot be asked for. */
const NOT_FOR_COHERENT = DmaAttribute.SkipCpuSync | DmaAttribute.Mmio

/** Memory that a device and the CPU share without handing it over: descriptor rings, mailboxes. */
export class CoherentAllocation implements Disposable {
  readonly device: DmaDevice
  /** Bytes that were asked for. */
  readonly byteLength: number
  readonly #region: DmaRegion
  /** None where the allocation is for devices alone. */
  readonly #bytes: Uint8Array | undefined

  /** @internal use {@link dmaAllocCoherent} */
  constructor(region: DmaRegion, byteLength: number, hidden: boolean) {
    this.device = region.device
    this.byteLength = byteLength
    this.#region = region
    this.#bytes = hidden ? undefined : region.bytes.subarray(0, byteLength)
  }

  /**
   * The shared bytes, zeroed at allocation, page-aligned.
   * @throws DMA_CLOSED; DMA_NO_KERNEL_MAPPING where it was allocated with `NoKernelMapping`
   */
  get bytes(): Uint8Array {
    this.#assertOpen()
    return this.#bytes ?? this.memory.bytes
  }

  /** The memory behind it, to be mapped for other devices, exported or sealed. It goes with the allocation. */
  get memory(): DmaMemory {
    return this.#region.memory
  }

  /** Where the device finds the bytes, page-aligned. @throws DMA_CLOSED; DMA_BUS_MASTER_OFF */
  get dmaAddress(): DmaAddress {
    this.#assertOpen()
    this.device.assertReady()
    return this.#region.dmaAddress
  }

  /** Whether it was freed, or its device closed. */
  get freed(): boolean {
    return this.#region.closed
  }

  /** See {@link dmaFreeCoherent}. */
  free(): void {
    this.#assertOpen()
    this.#region.close()
  }

  /** Frees where that has not been done. */
  [Symbol.dispose](): void {
    this.#region.close()
  }

  #assertOpen(): void {
    if (!this.#region.closed) return
    throw new DmaError(
      'DMA_CLOSED',
      `the ${this.byteLength}-byte coherent allocation of ${this.device.name} is freed`,
      { hint: 'look for a first free, and for a device that was closed before' },
    )
  }
}

/**
 * Allocates zeroed memory that device and CPU may touch at any time. Mirrors `dma_alloc_coherent()`, and with
 * `attributes` `dma_alloc_attrs()`.
 *
 * It takes whole pages, a memfd and one entry of the IOMMU for each allocation: for many small blocks there is
 * {@link dmaPoolCreate}.
 * @param byteLength bytes, 1 or more
 * @param attributes `NoKernelMapping`, `ForceContiguous`, or those that have no effect
 * @throws DMA_INVALID_ARGUMENT, DMA_ATTRIBUTE; DMA_NOT_COHERENT where the device's DMA path needs syncs;
 *   DMA_NOT_CONTIGUOUS for `ForceContiguous` of more than one huge page; DMA_UNSUPPORTED for `NoKernelMapping` where the
 *   path does not pin; DMA_BUS_MASTER_OFF; DMA_CLOSED; ENOMEM, ENOSPC. Nothing stays allocated then.
 * @example
 * ```ts
 * using ring = dmaAllocCoherent(device, 4096)
 * registers.writeAddress(RING_BASE, ring.dmaAddress)
 * ```
 */
export function dmaAllocCoherent(
  device: DmaDevice,
  byteLength: number,
  attributes: DmaAttributes = 0,
  options: CoherentOptions = {},
): CoherentAllocation {
  assertDevice('dmaAllocCoherent', device)
  assertByteLength('byteLength', byteLength)
  assertAttributes('dmaAllocCoherent', attributes, NOT_FOR_COHERENT)
  assertOptions('dmaAllocCoherent', options, ['hugePageSize'])
  assertCoherentMemory(device)
  const hidden = hasAttribute(attributes, DmaAttribute.NoKernelMapping)
  if (hidden && !device.ops.pins) {
    throw new DmaError(
      'DMA_UNSUPPORTED',
      `${device.ops.name} does not pin: NoKernelMapping could lose the pages`,
      {
        hint: 'allocate without DmaAttribute.NoKernelMapping',
      },
    )
  }
  const { hugePageSize } = options
  const region = allocateOwnRegion(device, byteLength, DmaDirection.Bidirectional, {
    purpose: 'coherent',
    name: 'linux-dma-coherent',
    hugePageSize: hasAttribute(attributes, DmaAttribute.ForceContiguous)
      ? contiguousPage(byteLength, hugePageSize, device.kernel.pageSize)
      : hugePageSize,
  })
  try {
    if (hidden) region.memory.hide()
    return new CoherentAllocation(region, byteLength, hidden)
  } catch (error) {
    region.close()
    throw error
  }
}

/**
 * Frees coherent memory. Mirrors `dma_free_coherent()`.
 * @throws DMA_CLOSED the second time; DMA_WRONG_DEVICE; DMA_INVALID_ARGUMENT for what was allocated otherwise
 */
export function dmaFreeCoherent(device: DmaDevice, allocation: CoherentAllocation): void {
  assertCoherentAllocation('dmaFreeCoherent', device, allocation)
  allocation.free()
}

/** @throws DMA_WRONG_DEVICE; DMA_INVALID_ARGUMENT for what is no coherent allocation */
export function assertCoherentAllocation(
  of: string,
  device: DmaDevice,
  allocation: CoherentAllocation,
): void {
  assertAllocationOf(device, allocation)
  if (allocation instanceof CoherentAllocation) return
  throw wrongFamily(of, 'coherent', 'dmaAllocCoherent()')
}

/** @throws DMA_NOT_COHERENT where a device's path has no memory that needs no syncs; DMA_BUS_MASTER_OFF, DMA_CLOSED */
export function assertCoherentMemory(device: DmaDevice): void {
  device.assertReady()
  if (device.ops.coherent) return
  throw new DmaError('DMA_NOT_COHERENT', `${device.ops.name} has no coherent memory for ${device.name}`, {
    hint: 'use dmaAllocNoncoherent() or dmaMapSingle(), and their syncs',
  })
}

/** The size of the one page that holds all of a contiguous allocation; undefined where a base page does. */
function contiguousPage(
  byteLength: number,
  hugePageSize: number | undefined,
  pageSize: number,
): number | undefined {
  if (hugePageSize === undefined && byteLength <= pageSize) return undefined
  const page = hugePageSize ?? USUAL_HUGE_PAGE
  if (byteLength <= page) return page
  throw new DmaError('DMA_NOT_CONTIGUOUS', `${byteLength} bytes do not fit one page of ${page}`, {
    hint:
      page < 0x4000_0000
        ? 'name a larger page: { hugePageSize: 0x40000000 }, where the machine has some; or do without ForceContiguous: behind an IOMMU every allocation is contiguous to the device'
        : 'do without ForceContiguous: behind an IOMMU every allocation is contiguous to the device',
  })
}
