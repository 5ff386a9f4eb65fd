import {
  allocateDmaMemory,
  createDmaRegion,
  type DmaDevice,
  DmaDirection,
  type DmaMemory,
} from '@linux-dma/core'

/** Buffers of one size in one piece of DMA memory. Taking and putting back is all that happens once it is made. */
export class BufferPool implements Disposable {
  readonly #memory: DmaMemory
  readonly #free: Uint8Array[] = []

  /**
   * @param registered whether the memory is mapped for the device whole, once. Mapping a buffer is then arithmetic, else it
   *   is a system call
   */
  constructor(device: DmaDevice, count: number, byteLength: number, registered: boolean) {
    this.#memory = allocateDmaMemory({ byteLength: count * byteLength, kernel: device.kernel })
    try {
      if (registered) createDmaRegion(device, { memory: this.#memory, direction: DmaDirection.FromDevice })
      const { bytes } = this.#memory
      for (let index = count - 1; index >= 0; index--) {
        this.#free.push(bytes.subarray(index * byteLength, (index + 1) * byteLength))
      }
    } catch (error) {
      this.#memory.close()
      throw error
    }
  }

  /** Buffers that are free now. */
  get free(): number {
    return this.#free.length
  }

  /** A free buffer; undefined where there is none. */
  take(): Uint8Array | undefined {
    return this.#free.pop()
  }

  put(buffer: Uint8Array): void {
    this.#free.push(buffer)
  }

  /** Gives the memory back. Nothing of it is to be mapped any more. */
  [Symbol.dispose](): void {
    this.#memory.close()
  }
}
