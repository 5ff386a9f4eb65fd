import type { FrameAllocator } from '../memory/frames'
import { Storage } from '../memory/storage'
import { DmaDirection } from './direction'

/** What memory is filled with that somebody else would have by now. */
const poison = 0x6b

/**
 * The memory of one u-dma-buf. Where caches are coherent there is one; else there are two: what devices have, and what the CPU sees of it
 * through its caches. Only a sync takes bytes from one to the other.
 */
export class UDmaBufMemory {
  /** What devices reach, and mappings past the caches. */
  readonly device: Storage
  /** What mappings with caches show. */
  readonly cached: Storage

  /** @param addressBits below which it lies. `ENOMEM` */
  constructor(frames: FrameAllocator, byteLength: number, addressBits: number, coherent: boolean) {
    this.device = frames.allocateContiguous(byteLength, addressBits)
    // No device finds it: it has no frames of its own.
    this.cached = coherent ? this.device : new Storage(byteLength, 0, undefined, () => undefined)
    this.device.retain()
    this.cached.retain()
  }

  /** Whether a program has any of it mapped. */
  get mapped(): boolean {
    return this.device.mapped || this.cached.mapped
  }

  /** dma_sync_single_for_cpu(): caches forget what they have, unless the device only reads. */
  syncForCpu(start: number, end: number, direction: DmaDirection): void {
    if (direction !== DmaDirection.ToDevice) copy(this.device, this.cached, start, end)
  }

  /** dma_sync_single_for_device(): caches are written back, whatever the direction: a device may write less than it is given. */
  syncForDevice(start: number, end: number): void {
    copy(this.cached, this.device, start, end)
  }

  /** The driver frees it, mapped or not. */
  free(): void {
    for (const storage of new Set([this.device, this.cached])) {
      if (storage.mapped) storage.bytes(0, storage.capacity).fill(poison)
    }
    this.device.release()
    this.cached.release()
  }
}

function copy(from: Storage, to: Storage, start: number, end: number): void {
  if (from === to || end <= start) return
  to.bytes(start, end - start).set(from.bytes(start, end - start))
  to.settle()
}
