import {
  assertOptions,
  assertRange,
  assertTransferDirection,
  type DmaAddress,
  DmaDirection,
  DmaError,
  type DmaMemory,
  dmaAddress,
  type TransferDirection,
} from '@linux-dma/core'
import { type FileDescriptor, type Kernel, O_CLOEXEC, O_RDWR } from '@linux-dma/native'
import { bytesOf, structure } from '../abi'
import { DmaBuf } from '../dma-buf/dma-buf'
import { assertPages } from '../dma-buf/map-range'
import {
  exportArgument,
  isUncached,
  O_SYNC,
  readDevInfo,
  type SyncVerb,
  U_DMA_BUF_EXPORT,
  U_DMA_BUF_GET_DEV_INFO,
} from './abi'
import { assertNotAllocated } from './assert-not-allocated'
import { BufferMemory } from './buffer-memory'
import { BufferPages } from './buffer-pages'
import { IoctlSync, isNotOffered, SysfsSync, type UDmaBufSync } from './sync'
import type { UDmaBufInfo } from './u-dma-buf-info'

/** What to hand over: see {@link UDmaBuf.syncForCpu}. All of the buffer by default. */
export interface UDmaBufSyncOptions {
  /** Bytes from the start of the buffer. Default 0. */
  offset?: number
  /** Bytes, 1 or more. Default: all from there on. */
  size?: number
  /** Which way the bytes travel. Default: both. */
  direction?: TransferDirection
}

/** What to export: see {@link UDmaBuf.exportDmaBuf}. Whole pages; all of them by default. */
export interface UDmaBufExportOptions {
  /** Bytes from the start of the buffer, a multiple of the page size. Default 0. */
  offset?: number
  /** Bytes, a multiple of the page size, 1 page or more. Default: all whole pages from there on. */
  size?: number
}

/** What is known of a buffer once it is open. */
interface Opened {
  readonly info: UDmaBufInfo
  readonly memory: DmaMemory
  readonly pages: BufferPages
  readonly fd: FileDescriptor
  readonly cached: boolean
  readonly sync: UDmaBufSync
}

/**
 * A u-dma-buf that this process has open and mapped: memory in one piece, at an address that devices can be given, which the kernel
 * module u-dma-buf allocated. To have devices use it by `dmaMapSingle()` and its like, see `uDmaBufOps`.
 */
export class UDmaBuf implements Disposable {
  readonly kernel: Kernel
  /** What it was when it was opened. */
  readonly info: UDmaBufInfo
  /** Whether it was opened to have its bytes in the CPU's caches. */
  readonly cached: boolean
  /** Bytes. */
  readonly size: number
  /**
   * Whether CPU and devices see the same bytes without syncs: the hardware keeps caches coherent, or the buffer is mapped past
   * them.
   */
  readonly coherent: boolean
  /**
   * The buffer as memory that devices are given, in whole pages: for `createDmaRegion(device, { memory: buffer.memory })` with
   * a device that goes by `uDmaBufOps`.
   */
  readonly memory: DmaMemory
  /** Which of its pages are in use in this process. @internal */
  readonly pages: BufferPages
  readonly #fd: FileDescriptor
  readonly #sync: UDmaBufSync

  private constructor({ info, memory, pages, fd, cached, sync }: Opened) {
    this.kernel = memory.kernel
    this.info = info
    this.cached = cached
    this.size = info.size
    this.coherent = info.dmaCoherent === true || isUncached(info.syncMode, cached)
    this.memory = memory
    this.pages = pages
    this.#fd = fd
    this.#sync = sync
  }

  /** Maps it. The descriptor goes over to the buffer where this does not throw. @internal */
  static fromDescriptor(kernel: Kernel, fd: FileDescriptor, said: UDmaBufInfo, cached: boolean): UDmaBuf {
    const asked = askDriver(kernel, fd, said)
    const info = asked ?? said
    const sync = asked ? new IoctlSync(kernel, fd) : new SysfsSync(kernel, info)
    const byteLength = Math.ceil(info.size / kernel.pageSize) * kernel.pageSize
    const pages = BufferPages.of(kernel, info)
    const memory = new BufferMemory(kernel, fd, kernel.mmap(fd, { byteLength }), pages)
    return new UDmaBuf({ info, memory, pages, fd, cached, sync })
  }

  /** The bytes. After `close()` an old view shows zeros, and what is written to it nobody else sees. @throws DMA_CLOSED, DMA_QUARANTINED */
  get bytes(): Uint8Array {
    return this.memory.bytes.subarray(0, this.size)
  }

  /** Where a device that no IOMMU translates for finds the first byte. @throws DMA_CLOSED, DMA_QUARANTINED */
  get dmaAddress(): DmaAddress {
    this.memory.assertOpen()
    return this.info.dmaAddress
  }

  /** The descriptor of its node, for requests of one's own. Owned by this object. @throws DMA_CLOSED, DMA_QUARANTINED */
  get fd(): FileDescriptor {
    return this.memory.fd
  }

  get closed(): boolean {
    return this.memory.closed
  }

  /** Who the last sync, of whichever process, gave the buffer to. @throws DMA_CLOSED, DMA_QUARANTINED */
  get syncOwner(): 'cpu' | 'device' {
    this.memory.assertOpen()
    return this.#sync.owner()
  }

  /**
   * Makes what a device wrote visible to the CPU. Mirrors `dma_sync_single_for_cpu()`. Nothing to do where the buffer is {@link coherent};
   * the driver is told all the same. What a sync is of is kept by the driver for the whole buffer: two processes that sync the same one at
   * the same instant may get each other's range.
   * @throws DMA_RANGE, DMA_INVALID_ARGUMENT; DMA_UNSUPPORTED for a range that a driver before 4.7 has no way to be told; DMA_CLOSED
   * @example
   * ```ts
   * buffer.syncForCpu({ offset: 4096, size: 1500, direction: DmaDirection.FromDevice })
   * ```
   */
  syncForCpu(options?: UDmaBufSyncOptions): void {
    this.#syncOptions('syncForCpu', options)
  }

  /** Makes what the CPU wrote visible to a device. Mirrors `dma_sync_single_for_device()`. @throws as {@link syncForCpu} */
  syncForDevice(options?: UDmaBufSyncOptions): void {
    this.#syncOptions('syncForDevice', options)
  }

  /** The same for a range that is known to be right: of the pages of a mapping, what the buffer has. @internal */
  syncRange(verb: SyncVerb, offset: number, size: number, direction: TransferDirection): void {
    this.memory.assertOpen()
    this.#sync.sync(verb, offset, Math.min(size, this.size - offset), direction)
  }

  /**
   * A dma-buf of whole pages of the buffer, for other drivers and processes. It is mapped as this buffer is, past the caches or not, and lives
   * until nobody holds it any more; the driver stays loaded meanwhile.
   *
   * Nothing is allocated from its pages until it is closed, and all duplicates of it: keep it open here for as long as those that it
   * was sent to use it, since who else holds it this process is not told.
   * @throws DMA_RANGE, DMA_ALIGNMENT, DMA_INVALID_ARGUMENT; DMA_IN_USE for pages of an allocation; DMA_UNSUPPORTED where the driver is
   *   older than 4.8, or built without; EMFILE; DMA_CLOSED
   * @example
   * ```ts
   * using frame = buffer.exportDmaBuf({ offset: 0, size: 8192 })
   * await sendDmaBuf(socket, frame)
   * ```
   */
  exportDmaBuf(options: UDmaBufExportOptions = {}): DmaBuf {
    assertOptions('exportDmaBuf', options, ['offset', 'size'])
    const { pageSize } = this.kernel
    const wholePages = this.size - (this.size % pageSize)
    const { offset = 0, size = wholePages - offset } = options
    this.memory.assertOpen()
    // The driver does not refuse a range that wraps around.
    assertRange(this.info.name, offset, size, this.size)
    assertPages('exportDmaBuf', pageSize, offset, size)
    assertNotAllocated(this, offset, size, 'there can be no dma-buf of')
    const fd = this.exportPages(offset, size)
    try {
      return new DmaBuf(this.kernel, fd, { size, memories: [this.memory], memoryOffset: offset })
    } catch (error) {
      this.kernel.close(fd)
      throw error
    }
  }

  /** The descriptor of such a dma-buf, of pages that are known to be right. @internal */
  exportPages(offset: number, size: number): FileDescriptor {
    const flags = O_RDWR | O_CLOEXEC | (this.cached ? 0 : O_SYNC)
    const view = exportArgument(offset, size, flags)
    try {
      this.kernel.ioctl(this.#fd, U_DMA_BUF_EXPORT, bytesOf(view), 'U_DMA_BUF_IOCTL_EXPORT')
    } catch (error) {
      throw isNotOffered(error) ? this.#exportsNone(error) : error
    }
    return view.getInt32(32, true)
  }

  /**
   * Takes it from all devices, then from this process. The memory stays with the driver, and its bytes for whoever opens it next.
   * Idempotent.
   * @throws what taking it from a device threw; it stays open then
   */
  close(): void {
    this.memory.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #exportsNone(cause: unknown): DmaError {
    const { name, driverVersion } = this.info
    return new DmaError(
      'DMA_UNSUPPORTED',
      `the driver of ${name}, version ${driverVersion}, exports no dma-bufs`,
      {
        hint: 'version 4.8 and later do, where Linux has CONFIG_DMA_SHARED_BUFFER. Without it devices can be given views of buffer.bytes, and no part can be allocated',
        cause,
      },
    )
  }

  #syncOptions(verb: SyncVerb, options: UDmaBufSyncOptions = {}): void {
    assertOptions(verb, options, ['offset', 'size', 'direction'])
    const { offset = 0, size = this.size - offset, direction = DmaDirection.Bidirectional } = options
    assertTransferDirection(direction)
    assertRange(this.info.name, offset, size, this.size)
    this.memory.assertOpen()
    this.#sync.sync(verb, offset, size, direction)
  }
}

/**
 * What the driver says of the very buffer that the descriptor is of: its node may be another's than sysfs told of just now.
 * Undefined for a driver without such a request.
 */
function askDriver(kernel: Kernel, fd: FileDescriptor, said: UDmaBufInfo): UDmaBufInfo | undefined {
  if (said.ioctlVersion === 0) return undefined
  const view = structure(24)
  try {
    kernel.ioctl(fd, U_DMA_BUF_GET_DEV_INFO, bytesOf(view), 'U_DMA_BUF_IOCTL_GET_DEV_INFO')
  } catch (error) {
    if (!isNotOffered(error)) throw error
    throw new DmaError('DMA_NO_DEVICE', `${said.node} is not the node of the u-dma-buf ${said.name}`, {
      hint: `look at 'ls -l ${said.node}' and 'cat ${said.path}/dev': both have the device's numbers`,
      cause: error,
    })
  }
  const { size, address, dmaCoherent } = readDevInfo(view)
  // Where the kernel does not tell the driver, sysfs has no such file, and the bit is never set.
  const coherence = dmaCoherent || said.dmaCoherent !== undefined ? dmaCoherent : undefined
  return { ...said, size: Number(size), dmaAddress: dmaAddress(address), dmaCoherent: coherence }
}
