import { DmaMemory } from '@linux-dma/core'
import type { UDmaBuf } from './u-dma-buf'

/**
 * Pages of a u-dma-buf that one allocation has, as memory of its own: a dma-buf of them, mapped. They are free again once it is
 * closed, or, where a device could not be proven to be at rest, once that is.
 */
export class BufferPiece extends DmaMemory {
  readonly buffer: UDmaBuf
  /** Offset in the buffer of the first byte. */
  readonly offset: number
  #givenBack = false

  private constructor(buffer: UDmaBuf, offset: number, fd: number, byteLength: number) {
    super(buffer.kernel, fd, buffer.kernel.mmap(fd, { byteLength }))
    this.buffer = buffer
    this.offset = offset
  }

  /**
   * Takes pages, zeroed, that lie before page `end`.
   * @returns undefined where there are not so many in a row
   * @throws DMA_UNSUPPORTED… of `exportDmaBuf`; EMFILE, ENOMEM. Nothing is taken then.
   */
  static take(buffer: UDmaBuf, pageCount: number, end: number): BufferPiece | undefined {
    const { kernel, pages, memory } = buffer
    const page = pages.allocate(pageCount, end)
    if (page === undefined) return undefined
    const [offset, byteLength] = [page * kernel.pageSize, pageCount * kernel.pageSize]
    let fd: number | undefined
    try {
      memory.bytes.fill(0, offset, offset + byteLength)
      fd = buffer.exportPages(offset, byteLength)
      const piece = new BufferPiece(buffer, offset, fd, byteLength)
      memory.attachUser(piece)
      return piece
    } catch (error) {
      if (fd !== undefined) kernel.close(fd)
      pages.giveBack(page, pageCount)
      throw error
    }
  }

  /** Gives the pages back. @throws as that of any memory */
  override close(options?: { detach?: boolean }): void {
    super.close(options)
    if (!this.closed || this.quarantined || this.#givenBack) return
    this.#givenBack = true
    const { pageSize } = this.kernel
    this.buffer.memory.detachUser(this)
    this.buffer.pages.giveBack(this.offset / pageSize, this.byteLength / pageSize)
  }
}
