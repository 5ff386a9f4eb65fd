/** Pages that stay where they are in physical memory: see {@link Kernel.pin}. */
export interface MemoryPin {
  readonly closed: boolean
  /**
   * Lets the pages go: they may be moved from here on. Idempotent. A pin that is merely forgotten stays until its
   * thread ends, since a device may still go by the addresses.
   */
  close(): void
  [Symbol.dispose](): void
}
