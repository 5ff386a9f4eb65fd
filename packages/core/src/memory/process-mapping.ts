import { DmaError, type FileDescriptor, type Kernel, type MemoryMapping } from '@linux-dma/native'
import { mapShared } from './map-shared'

/**
 * Where a process has DMA memory. Of memory for devices alone it has none of its own, and one for a while where a system
 * call that maps it for a device wants an address.
 */
export class ProcessMapping {
  /** Whether the process's own mapping is gone, while devices keep the pages. */
  hidden = false
  readonly #kernel: Kernel
  readonly #fd: FileDescriptor
  readonly #own: MemoryMapping
  #window: MemoryMapping | undefined
  #holders = 0

  constructor(kernel: Kernel, fd: FileDescriptor, own: MemoryMapping) {
    this.#kernel = kernel
    this.#fd = fd
    this.#own = own
  }

  /** The mapping that is there as long as the memory. @throws DMA_NO_KERNEL_MAPPING */
  get own(): MemoryMapping {
    if (!this.hidden) return this.#own
    throw new DmaError(
      'DMA_NO_KERNEL_MAPPING',
      'the memory was allocated with DmaAttribute.NoKernelMapping',
      {
        hint: 'map it with dmaMmapCoherent(device, allocation), and use the bytes of that mapping',
      },
    )
  }

  /** Whether nothing of it is mapped any more. */
  get closed(): boolean {
    return this.#own.closed && this.#window === undefined
  }

  /** Takes the pages from this process alone. */
  hide(): void {
    this.#own.close()
    this.hidden = true
  }

  /** Process address of the first byte, good until as many calls of {@link release} as of this. @throws ENOMEM; EPERM for sealed memory */
  hold(): number {
    if (!this.hidden) return this.#own.address
    this.#window ??= mapShared(this.#kernel, this.#fd, { byteLength: this.#own.byteLength })
    this.#holders++
    return this.#window.address
  }

  /** Never throws: what the address was wanted for has been done by then. */
  release(): void {
    if (!this.hidden || --this.#holders > 0) return
    try {
      this.#closeWindow()
    } catch {
      // It is used the next time, and tried again then, and when the memory is closed.
    }
  }

  close(options: { detach?: boolean }): void {
    this.#closeWindow()
    this.#own.close(options)
  }

  #closeWindow(): void {
    this.#window?.close()
    this.#window = undefined
  }
}
