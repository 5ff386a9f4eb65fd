import type { DmaDevice } from '../device/dma-device'
import type { DmaAddress } from '../vocabulary/address'
import type { TransferDirection } from '../vocabulary/direction'

/**
 * A DMA path's way of mapping what a device cannot be given in place: a slot of memory that it can reach, with the bytes
 * copied there and back. The kernel's is swiotlb.
 */
export interface Bouncer {
  /**
   * Whether a transfer has to go through a slot.
   * @param address where the device would find the bytes in place; undefined where they are not mapped for it
   * @param byteOffset of the first byte within its page
   */
  needed(device: DmaDevice, address: DmaAddress | undefined, byteOffset: number, byteLength: number): boolean

  /**
   * Takes slots and copies the bytes into them, whatever the direction: a device that writes fewer bytes than it was
   * given leaves the others as they were.
   * @throws DMA_BOUNCE_FULL, DMA_BOUNCE_TOO_LONG; at the first mapping of a device, what pinning the slots throws
   */
  map(device: DmaDevice, bytes: Uint8Array, direction: TransferDirection): DmaAddress
  /**
   * Gives the slots back, after what the device wrote was copied to where the bytes came from, unless `skipCopy`.
   * @param address what `map` returned
   * @throws DMA_DETACHED where that place is gone; the slots are given back all the same. DMA_NOT_MAPPED
   */
  unmap(device: DmaDevice, address: DmaAddress, skipCopy: boolean): void
  /** Gives all of a device's slots back where none is in use: it goes by another path now, or is being closed. */
  closeIdle?(device: DmaDevice): void
  /** Whether a DMA address of the device lies in a slot that is in use. */
  owns(device: DmaDevice, address: DmaAddress): boolean
  /**
   * Copies from the slot what the device wrote; nothing for a mapping to the device.
   * @throws DMA_NOT_MAPPED; DMA_RANGE beyond the mapping; DMA_DETACHED
   */
  syncForCpu(device: DmaDevice, address: DmaAddress, byteLength: number): void
  /** Copies into the slot what the CPU wrote; nothing for a mapping from the device. @throws as `syncForCpu` */
  syncForDevice(device: DmaDevice, address: DmaAddress, byteLength: number): void
}
