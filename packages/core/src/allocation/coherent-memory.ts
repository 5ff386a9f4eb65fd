import type { DmaMemory } from '../memory/memory'
import type { DmaAddress } from '../vocabulary/address'

/**
 * What a coherent allocation is made of: a region of DMA memory, or memory that a driver in the kernel allocated and maps
 * into this process.
 */
export interface CoherentMemory {
  /** All of it; as long as what was asked for, or longer. Asked for again and again: no system call. */
  readonly bytes: Uint8Array
  /** Where the device finds the first byte. A path may look first whether the device is still there. */
  readonly dmaAddress: DmaAddress
  /** Present where it is DMA memory, which can be mapped for other devices and shared. */
  readonly memory?: DmaMemory
  /** Where it came from, in a few words. Default: the name of the device's DMA path. */
  readonly origin?: string
  /** Whether it was closed, or taken away, as far as that is known: no system call. */
  readonly closed: boolean
  close(): void
}
