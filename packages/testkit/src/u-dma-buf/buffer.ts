import { pageSize, wholePages } from '../memory/storage'
import type { UDmaBufMemory } from './buffer-memory'
import type { CheckedParameters } from './parameters'
import { SyncState } from './sync-state'

/** One buffer while the driver has it. */
export class UDmaBuffer {
  readonly options: CheckedParameters
  readonly memory: UDmaBufMemory
  readonly sync: SyncState
  /** The driver gave it up: what is open of it is of nothing any more. */
  freed = false
  /** dma-bufs that were made of it. */
  exports = 0
  /** Descriptors and mappings of its node. */
  openFiles = 0

  constructor(options: CheckedParameters, memory: UDmaBufMemory) {
    this.options = options
    this.memory = memory
    this.sync = new SyncState(memory, options.size, options.syncMode)
  }

  get dmaAddress(): bigint {
    return BigInt(this.memory.device.firstFrame) * BigInt(pageSize)
  }

  /** Bytes that are allocated: whole pages. */
  get allocated(): number {
    return wholePages(this.options.size)
  }
}
