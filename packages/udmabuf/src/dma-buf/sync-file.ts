import { assertOptions, assertSignal, DmaError, forgetLeak, watchForLeak } from '@linux-dma/core'
import { type FileDescriptor, type Kernel, POLLIN } from '@linux-dma/native'
import { bytesOf, SYNC_IOC_FILE_INFO, SYNC_IOC_MERGE, structure, syncMerge } from '../abi'
import { nameBytes } from './name'
import { endPolls, pollShared } from './shared-poll'

/** What has become of the work that a sync file stands for. */
export type FenceStatus = 'active' | 'signaled' | 'error'

/**
 * Work of devices that is not done yet, as a descriptor: the kernel's `sync_file`. It signals once, when all of it is done.
 */
export class SyncFile implements Disposable {
  readonly kernel: Kernel
  readonly #fd: FileDescriptor
  #closed = false

  /** @internal use {@link DmaBuf.exportSyncFile} */
  constructor(kernel: Kernel, fd: FileDescriptor) {
    this.kernel = kernel
    this.#fd = fd
    watchForLeak(this, 'a sync file', kernel)
  }

  /** The descriptor, for drivers that take fences. Owned by this object. @throws DMA_CLOSED */
  get fd(): FileDescriptor {
    if (this.#closed) throw closedError()
    return this.#fd
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Whether the work is done, now. @throws DMA_CLOSED */
  status(): FenceStatus {
    const code = this.#statusCode()
    if (code < 0) return 'error'
    return code === 0 ? 'active' : 'signaled'
  }

  /**
   * Waits until the work is done; any number may wait.
   * @throws DMA_FENCE_FAILED where the device gave up on it; the signal's reason; DMA_CLOSED
   */
  async wait(options: { signal?: AbortSignal } = {}): Promise<void> {
    assertOptions('wait', options, ['signal'])
    assertSignal('wait', options.signal)
    await pollShared(this.kernel, this.fd, POLLIN, options.signal)
    const code = this.#statusCode()
    if (code >= 0) return
    throw new DmaError('DMA_FENCE_FAILED', `the device’s work failed with errno ${-code}`, {
      errno: code,
      hint: 'what the device should have written is not to be trusted; its driver’s log says why: dmesg',
    })
  }

  /**
   * A sync file that signals when both have. Neither is changed.
   * @param name for debugging, 31 bytes at most
   * @throws DMA_CLOSED; DMA_INVALID_ARGUMENT; EMFILE
   */
  merge(other: SyncFile, name = 'merged'): SyncFile {
    if (!(other instanceof SyncFile)) {
      throw new DmaError('DMA_INVALID_ARGUMENT', 'merge: the other one is no sync file')
    }
    const view = syncMerge(other.fd, nameBytes(name))
    this.kernel.ioctl(this.fd, SYNC_IOC_MERGE, bytesOf(view), 'SYNC_IOC_MERGE')
    return new SyncFile(this.kernel, view.getInt32(36, true))
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    endPolls(this.kernel, this.#fd, closedError)
    forgetLeak(this)
    this.kernel.close(this.#fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** 1: signalled, 0: not yet, below: an errno. */
  #statusCode(): number {
    const view = structure(56)
    this.kernel.ioctl(this.fd, SYNC_IOC_FILE_INFO, bytesOf(view), 'SYNC_IOC_FILE_INFO')
    return view.getInt32(32, true)
  }
}

function closedError(): DmaError {
  return new DmaError('DMA_CLOSED', 'the sync file is closed')
}
