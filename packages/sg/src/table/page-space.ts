import type { DmaMemory } from '@linux-dma/core'

/** One piece of memory that a table's segments lie in: whole pages with consecutive numbers. */
export interface PageSource {
  /** Undefined for a buffer that is no DMA memory: it can be copied from and to, and mapped where a path bounces. */
  readonly memory: DmaMemory | undefined
  /** Number of the page that holds byte 0. */
  readonly firstPage: number
  readonly pageCount: number
  /** All bytes. @throws DMA_CLOSED for DMA memory that is closed; DMA_DETACHED */
  readonly bytes: Uint8Array
}

/**
 * What the page numbers of a table mean: frames of the machine's physical memory, or pages of buffers, numbered so that
 * two are neighbours only where their bytes are.
 */
export interface PageSpace {
  /** Bytes, a power of two. */
  readonly pageSize: number
  /** Whether page numbers are frame numbers: the CPU then has no bytes of it. */
  readonly physical: boolean
  /** The lowest page number that names a page. */
  readonly lowestPage: number
  /** One above the highest page number that names a page. */
  readonly endPage: number
  /** The source that a page belongs to. @throws DMA_NO_CPU_VIEW where the space is physical */
  sourceOf(page: number): PageSource
}

/** Page numbers are kept in 32 bits. */
export const PAGE_NUMBERS = 0x1_0000_0000
