import {
  cacheOps,
  type DmaAddress,
  type DmaDevice,
  type DmaMemory,
  type DmaOps,
  dmaBitMask,
  type TransferDirection,
} from '@linux-dma/core'
import type { VfioContainer } from './container'
import type { IommuInfo } from './structs'
import { VfioIommuDomain } from './vfio-iommu-domain'

/** A device's DMA path through a VFIO type1v2 container: behind the IOMMU, and coherent on all that Linux gives to VFIO. */
export class VfioDmaOps implements DmaOps {
  readonly name = 'vfio-type1'
  declare readonly coherent: boolean
  readonly pins = true
  readonly iommu: VfioIommuDomain

  constructor(container: VfioContainer, info: IommuInfo) {
    Object.assign(this, cacheOps(container.kernel))
    this.iommu = new VfioIommuDomain(container, info)
  }

  mapPages(
    _device: DmaDevice,
    memory: DmaMemory,
    byteOffset: number,
    byteLength: number,
    direction: TransferDirection,
    mask: bigint,
  ): DmaAddress {
    const address = this.iommu.allocate(byteLength, mask)
    try {
      memory.withAddress((start) => this.iommu.map(address, start + byteOffset, byteLength, direction))
    } catch (error) {
      this.iommu.release(address, byteLength)
      throw error
    }
    return address
  }

  unmapPages(_device: DmaDevice, address: DmaAddress, byteLength: number): void {
    // An address whose unmap failed is not given out again: the device may still reach what is there.
    this.iommu.unmap(address, byteLength, byteLength)
    this.iommu.release(address, byteLength)
  }

  supportsMask(mask: bigint): boolean {
    return this.iommu.reaches(mask)
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
