import {
  assertOptions,
  assertSignal,
  closeAll,
  DmaError,
  type DmaMemory,
  forgetLeak,
  watchForLeak,
} from '@linux-dma/core'
import { type FileDescriptor, type Kernel, POLLIN, POLLOUT } from '@linux-dma/native'
import { type BufferAccess, bytesOf, syncFileArgument } from '../abi'
import type { BudgetShare } from './budget'
import { assertBufferAccess, assertUse, bracket, CpuAccesses } from './cpu-access'
import { type DmaBufInfo, readInfo } from './info'
import { forgetKnown, noteKnown } from './known'
import { type DmaBufMapOptions, mapRange } from './map-range'
import { DmaBufMapping } from './mapping'
import { setName } from './name'
import { endPolls, pollShared } from './shared-poll'
import { SyncFile } from './sync-file'
import { syncFileRequest } from './sync-file-request'

/** What a buffer was made of, where that is known here. */
export interface DmaBufOrigin {
  readonly size: number
  readonly access?: 'read' | 'read-write'
  /** Where it was looked at already. */
  readonly inode?: number
  /** All memory that has a part in it. */
  readonly memories?: readonly DmaMemory[]
  /** Where the buffer begins in the only one of them that it is made of; undefined where there are several pieces. */
  readonly memoryOffset?: number | undefined
  readonly budget?: BudgetShare | undefined
}

/**
 * A buffer that drivers of the kernel, devices and processes share by descriptor. It lives until nobody holds it any
 * more: to close it here takes it from this process alone.
 */
export class DmaBuf implements Disposable {
  readonly kernel: Kernel
  /** Bytes, a multiple of the page size. It never changes. */
  readonly size: number
  /** What this descriptor permits: the bytes of a buffer for reading are mapped so. */
  readonly access: 'read' | 'read-write'
  /**
   * The DMA memory whose pages the buffer shows, where it was made of one piece: for VFIO, which takes that memory and
   * not a dma-buf's mapping. Undefined for any other buffer.
   */
  readonly memory: DmaMemory | undefined
  /** Where the buffer begins in {@link memory}, in bytes. */
  readonly memoryOffset: number
  readonly #fd: FileDescriptor
  readonly #memories: readonly DmaMemory[]
  readonly #budget: BudgetShare | undefined
  /** What its memories know it by: one that is forgotten is not kept by them. */
  readonly #reference: WeakRef<DmaBuf> | undefined
  readonly #accesses: CpuAccesses
  readonly #mappings = new Set<DmaBufMapping>()
  readonly #forget = (mapping: DmaBufMapping) => void this.#mappings.delete(mapping)
  #own: DmaBufMapping | undefined
  #inode: number | undefined
  #closed = false

  /** @internal use createUdmabuf(), allocateFromHeap(), receiveDmaBuf() or dmaBufGet() */
  constructor(kernel: Kernel, fd: FileDescriptor, origin: DmaBufOrigin) {
    const { size, access = 'read-write', inode, memories = [], memoryOffset, budget } = origin
    this.kernel = kernel
    this.#fd = fd
    this.#accesses = new CpuAccesses(kernel, fd)
    this.size = size
    this.access = access
    this.#inode = inode
    this.#memories = memories
    this.memory = memoryOffset === undefined ? undefined : memories[0]
    this.memoryOffset = memoryOffset ?? 0
    this.#budget = budget
    if (memories.length > 0) {
      this.#reference = new WeakRef(this)
      for (const memory of memories) memory.attachDmaBuf(this.#reference)
      noteKnown(kernel, this.#reference)
    }
    watchForLeak(this, 'a dma-buf', kernel, size)
  }

  /**
   * The descriptor: for ioctls of drivers that import dma-bufs, and to be inherited by a child process. Owned by this object.
   * @throws DMA_CLOSED
   */
  get fd(): FileDescriptor {
    this.#assertOpen()
    return this.#fd
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Tells buffers apart, in all processes: two descriptors of one buffer have the same. @throws DMA_CLOSED */
  get inode(): number {
    this.#assertOpen()
    this.#inode ??= this.info().inode
    return this.#inode
  }

  /** What a further descriptor of the buffer is of: the same memory, as long as that is open. @internal */
  get origin(): DmaBufOrigin {
    return {
      size: this.size,
      // Closed ones as well: who counts what is still shown counts further descriptors too.
      memories: this.#memories,
      memoryOffset: this.memory?.closed === false ? this.memoryOffset : undefined,
    }
  }

  /** What the kernel says of the buffer, now. @throws DMA_CLOSED */
  info(): DmaBufInfo {
    return readInfo(this.kernel, this.fd)
  }

  /** What the buffer is called, in `/proc` and in the kernel's accounts; undefined for nothing. @throws DMA_CLOSED */
  get name(): string | undefined {
    return this.info().name
  }

  /**
   * Names the buffer, for all who have it. Mirrors DMA_BUF_SET_NAME.
   * @param name 31 bytes of UTF-8 at most, in one line
   * @throws DMA_INVALID_ARGUMENT; DMA_CLOSED
   */
  setName(name: string): void {
    setName(this.kernel, this.fd, name)
  }

  /**
   * Maps the buffer, or whole pages of it, into this process. Mirrors `dma_buf_mmap()`. The mapping is closed with the buffer,
   * or before by its own `close()`.
   * @throws DMA_READ_ONLY where the buffer may only be read; DMA_RANGE, DMA_ALIGNMENT; DMA_CLOSED; ENOMEM
   * @example
   * ```ts
   * using mapping = buffer.map({ offset: 4096, size: 8192 })
   * ```
   */
  map(options: DmaBufMapOptions = {}): DmaBufMapping {
    this.#assertOpen()
    const { access, position, byteLength } = mapRange(this, options)
    const mapping = new DmaBufMapping(
      this,
      this.kernel.mmap(this.#fd, { access, position, byteLength }),
      position,
      access,
      this.#forget,
    )
    this.#mappings.add(mapping)
    return mapping
  }

  /**
   * Runs `use` with all bytes of the buffer, between `beginCpuAccess()` and `endCpuAccess()`, also where it throws, and where
   * it answers with a promise until that is settled. The bytes are mapped once for all calls.
   *
   * Where a device still works on the buffer, the kernel makes this thread wait: `await buffer.waitForCpuAccess(access)`
   * first where that may be.
   * @param access what `use` does with the bytes
   * @throws DMA_READ_ONLY; DMA_INVALID_ARGUMENT; DMA_CLOSED; what `use` throws
   * @example
   * ```ts
   * buffer.cpuAccess('write', (bytes) => bytes.fill(0xff))
   * ```
   */
  cpuAccess<Result>(access: BufferAccess, use: (bytes: Uint8Array) => Result): Result {
    this.#assertAccess(access)
    assertUse(use)
    return bracket(this.#accesses, () => {
      if (this.#own === undefined || this.#own.closed) this.#own = this.map({ access: this.access })
      return use(this.#own.bytes)
    })
  }

  /**
   * Tells the kernel that the CPU is about to use the bytes: what devices wrote is seen from then on. Mirrors
   * `dma_buf_begin_cpu_access()`, by DMA_BUF_IOCTL_SYNC. May be nested.
   *
   * The kernel is always told of reading and writing, whatever `access` is: the first direction sticks to a udmabuf.
   * @throws DMA_READ_ONLY, DMA_INVALID_ARGUMENT, DMA_CLOSED
   */
  beginCpuAccess(access: BufferAccess): void {
    this.#assertAccess(access)
    this.#accesses.begin()
  }

  /**
   * Tells the kernel that the CPU is done: devices see what it wrote. Mirrors `dma_buf_end_cpu_access()`.
   * @throws as {@link beginCpuAccess}; EINVAL where nothing ever began, from a udmabuf
   */
  endCpuAccess(access: BufferAccess): void {
    this.#assertAccess(access)
    this.#accesses.end()
  }

  /**
   * Waits until no device stands in the way of an access: to read, until all that write are done; to write, until all are.
   * Any number may wait. A fence that failed ends the wait too: `exportSyncFile(access).wait()` tells of it.
   * @throws the signal's reason; DMA_CLOSED, also where the buffer is closed meanwhile; DMA_INVALID_ARGUMENT
   */
  async waitForCpuAccess(access: BufferAccess, options: { signal?: AbortSignal } = {}): Promise<void> {
    assertBufferAccess(access)
    assertOptions('waitForCpuAccess', options, ['signal'])
    assertSignal('waitForCpuAccess', options.signal)
    await pollShared(this.kernel, this.fd, access === 'read' ? POLLIN : POLLOUT, options.signal)
  }

  /**
   * The work of devices that an access has to wait for, as a sync file: to be waited for, or given to a driver that waits.
   * Mirrors DMA_BUF_IOCTL_EXPORT_SYNC_FILE.
   * @throws DMA_CLOSED, DMA_INVALID_ARGUMENT; ENOTTY before Linux 6.0 and without CONFIG_SYNC_FILE; EMFILE
   */
  exportSyncFile(access: BufferAccess): SyncFile {
    assertBufferAccess(access)
    const view = syncFileArgument(access, -1)
    syncFileRequest(this.kernel, this.fd, 'DMA_BUF_IOCTL_EXPORT_SYNC_FILE', bytesOf(view))
    return new SyncFile(this.kernel, view.getInt32(4, true))
  }

  /**
   * Makes others wait for the work of a sync file before they use the buffer: work that reads it, or writes it. Mirrors
   * DMA_BUF_IOCTL_IMPORT_SYNC_FILE. The sync file stays the caller's.
   * @throws DMA_CLOSED, DMA_INVALID_ARGUMENT; ENOTTY before Linux 6.0 and without CONFIG_SYNC_FILE
   */
  importSyncFile(syncFile: SyncFile, access: BufferAccess): void {
    assertBufferAccess(access)
    if (!(syncFile instanceof SyncFile)) {
      throw new DmaError('DMA_INVALID_ARGUMENT', 'importSyncFile: that is no sync file', {
        hint: 'exportSyncFile() of a buffer gives one',
      })
    }
    const view = syncFileArgument(access, syncFile.fd)
    syncFileRequest(this.kernel, this.fd, 'DMA_BUF_IOCTL_IMPORT_SYNC_FILE', bytesOf(view))
  }

  /** The same buffer with a descriptor and a life of its own. @throws DMA_CLOSED; EMFILE */
  duplicate(): DmaBuf {
    const fd = this.kernel.duplicate(this.fd)
    return new DmaBuf(this.kernel, fd, {
      ...this.origin,
      access: this.access,
      budget: this.#budget?.hold(),
    })
  }

  /**
   * Ends accesses that were begun, closes its mappings and its descriptor. Others who have the buffer keep it. Idempotent.
   * @throws ENOMEM where the process has no map left to close a mapping with: the buffer stays open, to be closed later
   */
  close(): void {
    if (this.#closed) return
    if (this.#mappings.size > 0) {
      closeAll([...this.#mappings].reverse().map((mapping) => () => mapping.close()))
    }
    this.#accesses.close()
    this.#closed = true
    endPolls(this.kernel, this.#fd, () => this.#closedError())
    forgetLeak(this)
    if (this.#reference) {
      for (const memory of this.#memories) memory.detachDmaBuf(this.#reference)
      forgetKnown(this.kernel, this.#reference)
    }
    this.#budget?.release()
    this.kernel.close(this.#fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** What console.log() shows: of its kernel nothing. @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const state = this.#closed ? 'closed' : `fd ${this.#fd}`
    return `DmaBuf { ${state}, ${this.size} bytes, ${this.access} }`
  }

  #assertAccess(access: BufferAccess): void {
    this.#assertOpen()
    assertBufferAccess(access)
    if (access === 'read' || this.access === 'read-write') return
    throw new DmaError('DMA_READ_ONLY', `the dma-buf was made for reading: '${access}' is not possible`, {
      hint: 'whoever makes it has to ask for more, or keep the descriptor that permits it to itself',
    })
  }

  #assertOpen(): void {
    if (this.#closed) throw this.#closedError()
  }

  #closedError(): DmaError {
    return new DmaError('DMA_CLOSED', `the dma-buf of ${this.size} bytes is closed`, {
      hint: 'who needs it for longer than another takes a duplicate() of it',
    })
  }
}
