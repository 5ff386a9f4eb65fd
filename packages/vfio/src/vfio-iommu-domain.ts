import {
  type DmaAddress,
  DmaDirection,
  dmaAddress,
  type IommuDomain,
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

/** The address space of a VFIO type1v2 container, with an allocator of its addresses. */
export class VfioIommuDomain implements IommuDomain {
  readonly granule: number
  readonly #container: VfioContainer
  readonly #allocator: IovaAllocator
  readonly #ranges: readonly IovaRange[]

  constructor(container: VfioContainer, info: IommuInfo) {
    this.#container = container
    this.#ranges = info.iovaRanges.length > 0 ? info.iovaRanges : UNLISTED_RANGES
    const smallest = Number(info.pageSizes & -info.pageSizes)
    this.granule = Math.max(smallest, container.kernel.pageSize)
    this.#allocator = new IovaAllocator(this.#ranges, this.granule)
  }

  allocate(byteLength: number, mask: bigint, alignment = this.granule): DmaAddress {
    return dmaAddress(this.#allocator.allocate(byteLength, mask, alignment))
  }

  release(address: DmaAddress, byteLength: number): void {
    this.#allocator.release(toNumber(address), byteLength)
  }

  map(address: DmaAddress, processAddress: number, byteLength: number, direction: TransferDirection): void {
    this.#container.map(accessFlags(direction), processAddress, toNumber(address), byteLength)
  }

  unmap(address: DmaAddress, byteLength: number, mappedBytes: number): void {
    this.#container.unmap(toNumber(address), byteLength, mappedBytes)
  }

  /** Whether the mask leaves a device any address at all. */
  reaches(mask: bigint): boolean {
    return IovaAllocator.reaches(this.#ranges, this.granule, mask)
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
