import { DmaMemory, type MemoryExport } from '@linux-dma/core'
import type { FileDescriptor, Kernel, MemoryMapping } from '@linux-dma/native'
import { DmaBuf } from '../dma-buf/dma-buf'
import type { BufferPages } from './buffer-pages'

/** All of a u-dma-buf as DMA memory: it counts the pages that are in dma-bufs, until each of those is closed. */
export class BufferMemory extends DmaMemory {
  readonly #pages: BufferPages
  /** Those that are counted. One that was forgotten is not closed: its pages stay counted. */
  readonly #counted = new WeakSet<MemoryExport>()

  constructor(kernel: Kernel, fd: FileDescriptor, mapping: MemoryMapping, pages: BufferPages) {
    super(kernel, fd, mapping)
    this.#pages = pages
  }

  override attachDmaBuf(dmaBuf: MemoryExport): void {
    super.attachDmaBuf(dmaBuf)
    this.#counted.add(dmaBuf)
    this.#count(dmaBuf, 1)
  }

  override detachDmaBuf(dmaBuf: MemoryExport): void {
    super.detachDmaBuf(dmaBuf)
    if (this.#counted.delete(dmaBuf)) this.#count(dmaBuf, -1)
  }

  #count(dmaBuf: MemoryExport, more: 1 | -1): void {
    const { pageSize } = this.kernel
    const offset = dmaBuf instanceof DmaBuf ? dmaBuf.memoryOffset : 0
    this.#pages.addExport(offset / pageSize, (offset + dmaBuf.size) / pageSize, more)
  }
}
