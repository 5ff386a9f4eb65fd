import { O_NONBLOCK, O_RDWR, POLLERR, POLLIN, POLLOUT } from '@linux-dma/native'
import { fail } from '../errors'
import { OpenFile } from './open-file'

const largestCount = 0xffff_ffff_ffff_fffen

/** eventfd(2), non-blocking: a 64-bit counter that reading takes to zero. */
export class EventFd extends OpenFile {
  override readonly seekable = false
  override readonly waitable = true
  readonly #wake: () => void
  /** What in the kernel waits for this counter, as VFIO does for an unmask. */
  readonly #listeners = new Set<() => void>()
  /** Told how much was read each time, where anybody wants to know. */
  onRead: ((count: number) => void) | undefined
  #count: bigint

  constructor(initialCount: number, wake: () => void) {
    super('eventfd')
    this.#count = BigInt(initialCount)
    this.#wake = wake
  }

  /** Adds one from inside the kernel: an interrupt. */
  signal(): void {
    if (this.#count <= largestCount) this.#count++
    this.#changed()
  }

  /** Calls `listener` in place of making the counter readable, until the returned function is called. */
  intercept(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  override get linkText(): string {
    return 'anon_inode:[eventfd]'
  }

  override get statusFlags(): number {
    return O_RDWR | O_NONBLOCK
  }

  override readAt(bytes: Uint8Array): number {
    if (bytes.byteLength < 8) fail('EINVAL', 'an eventfd is read 8 bytes at a time')
    if (this.#count === 0n) fail('EAGAIN', 'the counter is zero')
    new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(0, this.#count, true)
    this.onRead?.(Number(this.#count))
    this.#count = 0n
    return 8
  }

  override writeAt(bytes: Uint8Array): number {
    if (bytes.byteLength < 8) fail('EINVAL', 'an eventfd is written 8 bytes at a time')
    const added = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)
    if (added > largestCount) fail('EINVAL', 'the largest number to add is 2^64-2')
    if (this.#count + added > largestCount) fail('EAGAIN', 'the counter would overflow')
    this.#count += added
    this.#changed()
    return 8
  }

  override pollMask(): number {
    const error = this.#count > largestCount ? POLLERR : 0
    return (this.#count > 0n ? POLLIN : 0) | (this.#count < largestCount ? POLLOUT : 0) | error
  }

  #changed(): void {
    if (this.#listeners.size > 0 && this.#count > 0n) {
      this.#count = 0n
      for (const listener of [...this.#listeners]) listener()
    }
    this.#wake()
  }
}
