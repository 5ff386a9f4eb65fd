import type { DmaAddress } from '../vocabulary/address'
import type { TransferDirection } from '../vocabulary/direction'

/**
 * An address space of a device's own, in which a DMA path places what it likes where it likes: what the kernel's
 * `iommu_map()` and its allocator of IO virtual addresses do. A range is allocated first, filled with one or more maps,
 * emptied by one unmap, and released.
 */
export interface IommuDomain {
  /** Bytes in the IOMMU's smallest page, a power of two: what is mapped begins and ends on a multiple of it. */
  readonly granule: number

  /**
   * Takes a free range of addresses.
   * @param byteLength multiple of the granule
   * @param mask the highest address that may be part of it
   * @param alignment power of two, the granule or more, that the range begins on a multiple of
   * @throws ENOSPC
   */
  allocate(byteLength: number, mask: bigint, alignment: number): DmaAddress
  /** Gives a range back, exactly as it was allocated. */
  release(address: DmaAddress, byteLength: number): void

  /**
   * Pins pages of this process and lets the device find them at `address`.
   * @param processAddress of the first page: plain memory, or the registers of another device
   * @throws ENOMEM, ENOSPC, EFAULT; nothing of this call stays mapped then
   */
  map(address: DmaAddress, processAddress: number, byteLength: number, direction: TransferDirection): void
  /**
   * Undoes every map that lies in a range. When it returns, the device reaches nothing there.
   * @param byteLength of the whole range
   * @param mappedBytes of all maps in it
   */
  unmap(address: DmaAddress, byteLength: number, mappedBytes: number): void
}
