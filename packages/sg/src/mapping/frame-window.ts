import { type DmaMemory, readFrames } from '@linux-dma/core'

enum Size {
  /** Pages that are read where it is not known whether the next ones are wanted. */
  First = 16,
  /** Pages that are read at a time where one after the other is. */
  Most = 4096,
}

const NO_FRAMES = new Float64Array(0)

/** Frame numbers of the pages of pinned memory, read some at a time. */
export class FrameWindow {
  private frames = NO_FRAMES
  private memory: DmaMemory | undefined = undefined
  private first = 0
  private count = 0

  /**
   * The frame of a page.
   * @param page counted from the memory's start
   * @param end where the pinned pages end, at the latest
   * @throws DMA_NO_FRAME
   */
  frameOf(memory: DmaMemory, page: number, end: number): number {
    const within = page - this.first
    if (memory === this.memory && within >= 0 && within < this.count) return this.frames[within]!
    this.read(memory, page, end)
    return this.frames[0]!
  }

  private read(memory: DmaMemory, page: number, end: number): void {
    const follows = memory === this.memory && page === this.first + this.count
    const wanted = follows ? Math.min(this.frames.length * 2, Size.Most) : Size.First
    const count = Math.min(wanted, end - page)
    if (wanted > this.frames.length) this.frames = new Float64Array(wanted)
    // Nothing of it is good any more where the read fails.
    this.memory = undefined
    const { pageSize } = memory.kernel
    readFrames(memory, { byteOffset: page * pageSize, byteLength: count * pageSize }, this.frames)
    this.memory = memory
    this.first = page
    this.count = count
  }
}
