/** What to map: see {@link Kernel.mmap}. */
export interface MmapOptions {
  /** Bytes to map: 1 or more; the kernel rounds up to whole pages. */
  byteLength: number
  /** Where in the file to begin, in bytes: a multiple of the page size. Default 0. */
  position?: number
  /**
   * Default `read-write`. With `read`, a write through `bytes` ends the process (SIGSEGV): the memory is read-only to
   * the processor itself, and JavaScript has no read-only view. A register window throws `DMA_READ_ONLY` instead.
   */
  access?: 'read' | 'read-write'
}

/**
 * Plain memory that this process shares with a file, a device or another process.
 *
 * After `close()` the pages are gone and the process address is not reused while any view of `bytes` can still
 * reach it: in place of a crash, a late read gives zeros, and a late write is kept in pages that only old views of the
 * same mapping show.
 */
export interface MemoryMapping {
  /** Process (virtual) address of the first byte, a multiple of the page size. What VFIO calls `vaddr`. */
  readonly address: number
  readonly byteLength: number
  /** All of the mapped bytes. Throws `DMA_CLOSED` after `close()`. */
  readonly bytes: Uint8Array
  readonly closed: boolean
  /**
   * Replaces the pages by anonymous ones (one `mmap(MAP_FIXED)`), which drops every reference to the file at that
   * instant. Idempotent.
   * @param options.detach also detach the ArrayBuffer, so that late use of a view is visible (length 0). Costs
   *   speed on Node 20: the first detach in a process makes all of its typed arrays about twice as slow.
   */
  close(options?: { detach?: boolean }): void
  [Symbol.dispose](): void
}
