import {
  type DmaAddress,
  type DmaDevice,
  DmaDirection,
  type DmaMemory,
  type DmaOps,
  dmaAddress,
  dmaBitMask,
  type TransferDirection,
  toNumber,
} from '@linux-dma/core'
import { VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE } from './constants'
import type { VfioContainer } from './container'
import { IovaAllocator } from './iova-allocator'
import type { IommuInfo, IovaRange } from './structs'

/** Kernels before 5.4 do not list their ranges: then all but the x86 interrupt window is assumed. */
const UNLISTED_RANGES: readonly IovaRange[] = [
  { first: 0n, last: 0xfedf_ffffn },
  { first: 0xfef0_0000n, last: 0x7f_ffff_ffffn },
]

/** A device's DMA path through a VFIO type1v2 container: coherent, behind the IOMMU. */
export class VfioDmaOps implements DmaOps {
  readonly name = 'vfio-type1'
  readonly #container: VfioContainer
  readonly #allocator: IovaAllocator
  readonly #ranges: readonly IovaRange[]
  readonly #pageSize: number

  constructor(container: VfioContainer, info: IommuInfo) {
    this.#container = container
    this.#ranges = info.iovaRanges.length > 0 ? info.iovaRanges : UNLISTED_RANGES
    const smallest = Number(info.pageSizes & -info.pageSizes)
    this.#pageSize = Math.max(smallest, container.kernel.pageSize)
    this.#allocator = new IovaAllocator(this.#ranges, this.#pageSize)
  }

  mapPages(
    _device: DmaDevice,
    memory: DmaMemory,
    byteOffset: number,
    byteLength: number,
    direction: TransferDirection,
    mask: bigint,
  ): DmaAddress {
    const iova = this.#allocator.allocate(byteLength, mask)
    try {
      this.#container.map(accessFlags(direction), memory.address + byteOffset, iova, byteLength)
    } catch (error) {
      this.#allocator.release(iova, byteLength)
      throw error
    }
    return dmaAddress(iova)
  }

  unmapPages(_device: DmaDevice, address: DmaAddress, byteLength: number): void {
    // An address whose unmap failed is not given out again: the device may still reach what is there.
    this.#container.unmap(toNumber(address), byteLength)
    this.#allocator.release(toNumber(address), byteLength)
  }

  supportsMask(mask: bigint): boolean {
    return IovaAllocator.reaches(this.#ranges, this.#pageSize, mask)
  }

  /** An IOMMU brings any memory below 4 GiB, so 32 bits do, as the kernel answers for its own IOMMU path. */
  requiredMask(): bigint {
    return dmaBitMask(32)
  }

  maxMappingSize(): number {
    return Number.MAX_SAFE_INTEGER
  }

  optMappingSize(): number {
    return Number.MAX_SAFE_INTEGER
  }
}

/** What the device may do, not the CPU: a buffer to the device is one that it reads. */
function accessFlags(direction: TransferDirection): number {
  switch (direction) {
    case DmaDirection.ToDevice:
      return VFIO_DMA_MAP_FLAG_READ
    case DmaDirection.FromDevice:
      return VFIO_DMA_MAP_FLAG_WRITE
    case DmaDirection.Bidirectional:
      return VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE
  }
}
