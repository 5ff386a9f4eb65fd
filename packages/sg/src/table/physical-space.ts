import { DmaError } from '@linux-dma/core'
import { PAGE_NUMBERS, type PageSource, type PageSpace } from './page-space'

/** Frames of the machine's physical memory: a device may be given them, the CPU has no view of them here. */
export class PhysicalSpace implements PageSpace {
  readonly pageSize: number
  readonly physical = true
  /** Frame 0 is what /proc answers to those who may not know, and never memory for a device. */
  readonly lowestPage = 1
  readonly endPage = PAGE_NUMBERS

  constructor(pageSize: number) {
    this.pageSize = pageSize
  }

  sourceOf(page: number): PageSource {
    throw new DmaError('DMA_NO_CPU_VIEW', `frame ${page} is a number only: the CPU has no bytes of it here`, {
      hint: 'make the table of the buffers themselves, SgTable.fromBuffers(views), to read and write through it',
    })
  }
}
