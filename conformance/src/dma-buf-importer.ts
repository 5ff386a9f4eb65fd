/** A device that has imported a dma-buf: what it sees of the buffer, and its work on it. */
export interface DmaBufImporter {
  /** Bytes in the buffer. */
  readonly size: number
  /** Bytes in each piece of the scatterlist that it was given. */
  readonly segments: readonly number[]
  /** The device reads `byteLength` bytes, without regard to who else uses the buffer just then. */
  read(byteOffset: number, byteLength: number): Uint8Array
  /** The device writes. */
  write(byteOffset: number, bytes: Uint8Array): void
  /** Begins work of the device: it reads the buffer until then, or it writes to it. */
  addFence(usage: 'read' | 'write'): ImporterFence
  /** Ends the import. What is under way is given up, with ECANCELED. Idempotent. */
  detach(): void
}

/** Work of a device that is under way. */
export interface ImporterFence {
  /** The work is done. @param errno why it failed, as a positive number */
  signal(errno?: number): void
}
