import { DmaError } from '@linux-dma/native'
import type { AnyDmaAddress } from '../checker/by-address'
import { MappingFamily } from '../checker/mapping-records'
import { assertByteLength, assertDevice, assertOptions } from '../checks/validate'
import type { DmaDevice } from '../device/dma-device'
import type { DmaMemory } from '../memory/memory'
import type { DmaAddress } from '../vocabulary/address'
import { assertAttributes, DmaAttribute, type DmaAttributes, hasAttribute } from '../vocabulary/attributes'
import { DmaDirection } from '../vocabulary/direction'
import type { CoherentMemory } from './coherent-memory'
import { freeAt, freedTwice } from './free-at'
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
  /** What it came from: the name of the device's DMA path, or what of the device's driver gave it. */
  readonly origin: string
  readonly #backing: CoherentMemory
  /** None where the allocation is for devices alone. */
  readonly #bytes: Uint8Array | undefined

  /** @internal use {@link dmaAllocCoherent} */
  constructor(device: DmaDevice, backing: CoherentMemory, byteLength: number, hidden: boolean) {
    this.device = device
    this.byteLength = byteLength
    this.origin = backing.origin ?? device.ops.name
    this.#backing = backing
    this.#bytes = hidden ? undefined : backing.bytes.subarray(0, byteLength)
  }

  /**
   * The shared bytes, zeroed at allocation, page-aligned.
   * @throws DMA_CLOSED; DMA_NO_KERNEL_MAPPING where it was allocated with `NoKernelMapping`
   */
  get bytes(): Uint8Array {
    this.#assertOpen()
    return this.#bytes ?? this.memory.bytes
  }

  /**
   * The memory behind it, to be mapped for other devices, exported or sealed. It goes with the allocation.
   * @throws DMA_UNSUPPORTED where a driver in the kernel allocated it: only its device has that memory
   */
  get memory(): DmaMemory {
    const { memory } = this.#backing
    if (memory) return memory
    throw new DmaError('DMA_UNSUPPORTED', `${this.origin} is the kernel driver's own memory, and no memfd`, {
      hint: 'it cannot be mapped for other devices or shared: allocate what is to be shared by allocateDmaMemory()',
    })
  }

  /** Where the device finds the bytes, page-aligned. @throws DMA_CLOSED; DMA_BUS_MASTER_OFF */
  get dmaAddress(): DmaAddress {
    this.#assertOpen()
    this.device.assertReady()
    return this.#backing.dmaAddress
  }

  /** Whether it was freed, or its device closed. */
  get freed(): boolean {
    return this.#backing.closed
  }

  /** See {@link dmaFreeCoherent}. */
  free(): void {
    try {
      this.#assertOpen()
    } catch (error) {
      throw freedTwice(this.device, error, this.#backing)
    }
    this.#backing.close()
  }

  /** Frees where that has not been done. */
  [Symbol.dispose](): void {
    this.#backing.close()
  }

  #assertOpen(): void {
    if (!this.#backing.closed) return
    // A device that is closed, or gone, took it along.
    this.device.assertOpen()
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
 * {@link dmaPoolCreate}. Where the device's path has coherent memory of its own, as some UIO drivers do, it is that:
 * `origin` says so.
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
  const contiguous = hasAttribute(attributes, DmaAttribute.ForceContiguous)
  const given =
    hidden || options.hugePageSize !== undefined
      ? undefined
      : device.ops.allocateCoherent?.(device, byteLength, device.coherentDmaMask)
  if (given) {
    // What stands for a region that was mapped for it is recorded as that.
    if (device.children.has(given as never)) {
      device.ledger?.wholes.allocated(given, given.dmaAddress, byteLength, true)
    }
    return new CoherentAllocation(device, given, byteLength, false)
  }
  const region = allocateOwnRegion(device, byteLength, DmaDirection.Bidirectional, {
    purpose: 'coherent',
    name: 'linux-dma-coherent',
    hugePageSize: contiguous
      ? contiguousPage(byteLength, options.hugePageSize, device.kernel.pageSize)
      : options.hugePageSize,
  })
  try {
    if (hidden) region.memory.hide()
    return new CoherentAllocation(device, region, byteLength, hidden)
  } catch (error) {
    region.close()
    throw error
  }
}

/**
 * Frees coherent memory. Mirrors `dma_free_coherent()`: it can also be named as in the kernel, by its size, its bytes and its address;
 * null for the bytes frees nothing.
 * @throws DMA_CLOSED the second time; DMA_WRONG_DEVICE; DMA_INVALID_ARGUMENT for what was allocated otherwise. By address:
 *   DMA_NOT_MAPPED, DMA_WRONG_SIZE, DMA_WRONG_FAMILY, DMA_WRONG_BYTES, DMA_ADDRESS_RANGE
 */
export function dmaFreeCoherent(device: DmaDevice, allocation: CoherentAllocation): void
export function dmaFreeCoherent(
  device: DmaDevice,
  byteLength: number,
  bytes: Uint8Array | null,
  address: AnyDmaAddress,
): void
export function dmaFreeCoherent(
  device: DmaDevice,
  allocation: CoherentAllocation | number,
  bytes?: Uint8Array | null,
  address?: AnyDmaAddress,
): void {
  if (typeof allocation !== 'number') {
    assertCoherentAllocation('dmaFreeCoherent', device, allocation)
    allocation.free()
    return
  }
  if (bytes === null) return
  freeAt({
    of: 'dmaFreeCoherent',
    device,
    address: address!,
    byteLength: allocation,
    direction: DmaDirection.Bidirectional,
    family: MappingFamily.Coherent,
    bytes,
  })
}

/** @throws DMA_WRONG_DEVICE; DMA_INVALID_ARGUMENT for what is no coherent allocation */
export function assertCoherentAllocation(
  of: string,
  device: DmaDevice,
  allocation: CoherentAllocation,
): void {
  assertAllocationOf(device, allocation)
  if (allocation instanceof CoherentAllocation) return
  throw wrongFamily(device, of, 'coherent', 'dmaAllocCoherent()')
}

/** @throws DMA_NOT_COHERENT where a device's path has no memory that needs no syncs; DMA_BUS_MASTER_OFF, DMA_CLOSED */
export function assertCoherentMemory(device: DmaDevice): void {
  device.assertReady()
  if (device.ops.coherent || device.ops.bypassCaches) return
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
