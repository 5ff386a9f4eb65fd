import { DmaMemory, type MemoryExport } from '@linux-dma/core'
import type { FileDescriptor, Kernel, MemoryMapping } from '@linux-dma/native'
import { DmaBuf } from '../dma-buf/dma-buf'
import type { BufferPages } from './buffer-pages'

/** All of a u-dma-buf as DMA memory: it counts the pages that are in dma-bufs, until each of those is closed. */
export class BufferMemory extends DmaMemory {
  readonly #pages: BufferPages
  /** Those that are counted. One that was forgotten is not closed: its pages stay counted. */
  readonly #counted = new WeakSet<WeakRef<MemoryExport>>()

  constructor(kernel: Kernel, fd: FileDescriptor, mapping: MemoryMapping, pages: BufferPages) {
    super(kernel, fd, mapping)
    this.#pages = pages
  }

  override attachDmaBuf(reference: WeakRef<MemoryExport>): void {
    super.attachDmaBuf(reference)
    this.#counted.add(reference)
    this.#count(reference, 1)
  }

  override detachDmaBuf(reference: WeakRef<MemoryExport>): void {
    super.detachDmaBuf(reference)
    if (this.#counted.delete(reference)) this.#count(reference, -1)
  }

  #count(reference: WeakRef<MemoryExport>, more: 1 | -1): void {
    const dmaBuf = reference.deref()
    if (!(dmaBuf instanceof DmaBuf)) return
    const { pageSize } = this.kernel
    const { memoryOffset, size } = dmaBuf
    this.#pages.addExport(memoryOffset / pageSize, (memoryOffset + size) / pageSize, more)
  }
}
