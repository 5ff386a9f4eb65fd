import type { DmaAddress } from './address'
import type { TransferDirection } from './direction'
import type { DmaDevice } from './dma-device'
import type { DmaMemory } from './memory'

/**
 * What a device's DMA path does, after the kernel's `struct dma_map_ops`. The functions in `dma…()` words check
 * their arguments and then ask these; a backend sees only valid, page-aligned requests.
 */
export interface DmaOps {
  /** What an error calls this path: `vfio-type1`, `bounce`. */
  readonly name: string

  /**
   * Pins whole pages of `memory` and makes them reachable for the device.
   * @param byteOffset multiple of the page size
   * @param byteLength multiple of the page size, 1 page or more
   * @param mask the highest address that the device can put on the bus
   * @returns where the device finds the first byte
   */
  mapPages(
    device: DmaDevice,
    memory: DmaMemory,
    byteOffset: number,
    byteLength: number,
    direction: TransferDirection,
    mask: bigint,
  ): DmaAddress

  /**
   * Undoes one `mapPages`, whole. When it returns, the device can no longer reach the pages. When it throws, it
   * may still: the memory is then quarantined.
   */
  unmapPages(device: DmaDevice, address: DmaAddress, byteLength: number): void

  /** Makes what the device wrote visible to the CPU. Absent where device and CPU are coherent. */
  syncForCpu?(device: DmaDevice, address: DmaAddress, byteLength: number, direction: TransferDirection): void
  /** Makes what the CPU wrote visible to the device. Absent where device and CPU are coherent. */
  syncForDevice?(
    device: DmaDevice,
    address: DmaAddress,
    byteLength: number,
    direction: TransferDirection,
  ): void

  /** Whether a device limited to addresses up to `mask` can do DMA here at all. */
  supportsMask(mask: bigint): boolean
  /** The mask that reaches everything this path may hand out, of the form 2^n - 1. */
  requiredMask(): bigint
  /** Bytes in the largest single mapping. */
  maxMappingSize(): number
  /** Bytes up to which a mapping is cheap. */
  optMappingSize(): number
}
