import type { DmaDevice } from '@linux-dma/core'
import type { DriverMemory } from './driver-memory'

/** One way in which a UIO driver, or the UIO core, gives memory to a device. One object for each open device. */
export interface DriverWay {
  /** What an error calls it. */
  readonly name: string
  /**
   * Zeroed memory of `byteLength` or more, below the mask.
   * @throws DMA_UNSUPPORTED where the device's kernel or driver has no such way; what else keeps it from being taken
   */
  allocate(device: DmaDevice, byteLength: number, mask: bigint): DriverMemory
}
