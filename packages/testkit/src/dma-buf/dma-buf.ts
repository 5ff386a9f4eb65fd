import { DmaError, POLLIN, POLLOUT } from '@linux-dma/native'
import { fail } from '../errors'
import { type FileAccess, type MapRequest, OpenFile } from '../kernel/open-file'
import type { UserMemory } from '../kernel/user-memory'
import { type MemoryRange, wholePages } from '../memory/storage'
import {
  DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
  DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
  DMA_BUF_IOCTL_SYNC,
  DMA_BUF_NAME_LEN,
  DMA_BUF_SET_NAME_A,
  DMA_BUF_SET_NAME_B,
  DMA_BUF_SYNC_END,
  DMA_BUF_SYNC_READ,
  DMA_BUF_SYNC_RW,
  DMA_BUF_SYNC_WRITE,
} from './abi'
import type { BufferMemory } from './buffer-memory'
import type { DmaBufParts } from './dma-buf-parts'
import { PlainFence } from './fence'
import { oneFence } from './fence-array'
import { type FenceUsage, Reservation } from './reservation'
import { SyncFile } from './sync-file'

/** Who made a buffer, as far as one can tell by it. */
export interface Exporter {
  /** `udmabuf`, or the name of a heap. */
  readonly name: string
  /** Whether the end of an access is an error before the first one began. */
  readonly wantsBegin: boolean
  /** O_ACCMODE of the buffer: 3 for neither reading nor writing. */
  readonly accessMode: number
  /** What it does beside where an access of the CPU begins and ends: `access` is the DMA_BUF_SYNC_… bits of it. */
  beginCpuAccess?(access: number): void
  endCpuAccess?(access: number): void
  /** Bytes of each piece that an importing device gets. */
  segments(byteLength: number): number[]
}

/** Both bits: neither reading nor writing. */
const O_ACCMODE = 3

const accessOf: readonly FileAccess[] = ['read', 'write', 'read-write', 'write']

/** Memory that is shared by its descriptor: mapped here, and imported by devices (drivers/dma-buf/dma-buf.c). */
export class DmaBuf extends OpenFile {
  override readonly seekable = false
  override readonly waitable = true
  readonly memory: BufferMemory
  readonly reservation = new Reservation()
  readonly exporter: Exporter
  readonly #inode: number
  readonly #parts: DmaBufParts
  #name: string | undefined
  #began = false

  constructor(memory: BufferMemory, exporter: Exporter, parts: DmaBufParts) {
    const inode = ++parts.dmaBufNumbers.inode
    super(`dma-buf ${inode} of ${exporter.name}`, accessOf[exporter.accessMode])
    this.#inode = inode
    this.memory = memory
    this.exporter = exporter
    this.#parts = parts
  }

  override get inode(): number {
    return this.#inode
  }

  override get linkText(): string {
    return `/dmabuf:${this.#name ?? ''}`
  }

  override get statusFlags(): number {
    return this.exporter.accessMode
  }

  override get infoLines(): readonly string[] {
    const lines = [
      `size:\t${this.memory.byteLength}`,
      `count:\t${this.references}`,
      `exp_name:\t${this.exporter.name}`,
    ]
    return this.#name === undefined ? lines : [...lines, `name:\t${this.#name}`]
  }

  override pollMask(): number {
    const idle = (access: FenceUsage) => this.reservation.pending(access).length === 0
    return (idle('read') ? POLLIN : 0) | (idle('write') ? POLLOUT : 0)
  }

  override writeAt(bytes: Uint8Array, position: number): number {
    if (this.exporter.accessMode === O_ACCMODE)
      fail('EBADF', `${this.path} is open for neither reading nor writing`)
    return super.writeAt(bytes, position)
  }

  override mapMemory({ byteLength, position }: MapRequest): MemoryRange {
    const size = this.memory.byteLength
    if (position + wholePages(byteLength) > size) fail('EINVAL', `the buffer has ${size} bytes`)
    const { storage, byteOffset } = this.memory.whole()
    return { storage, byteOffset: byteOffset + position, byteLength, pinnable: false, file: this }
  }

  override ioctl(request: number, argument: UserMemory): number {
    switch (request) {
      case DMA_BUF_IOCTL_SYNC:
        return this.#sync(argument.view(8).getBigUint64(0, true))
      case DMA_BUF_SET_NAME_A:
      case DMA_BUF_SET_NAME_B:
        this.#name = argument.text(DMA_BUF_NAME_LEN)
        return 0
      case DMA_BUF_IOCTL_EXPORT_SYNC_FILE:
        return this.#exportSyncFile(argument.view(8))
      case DMA_BUF_IOCTL_IMPORT_SYNC_FILE:
        return this.#importSyncFile(argument.view(8))
      default:
        return fail('ENOTTY')
    }
  }

  protected override onRelease(): void {
    this.memory.release()
  }

  #sync(word: bigint): number {
    if (word > 0xffffn) fail('EINVAL', 'flags')
    const flags = Number(word)
    const ends = (flags & DMA_BUF_SYNC_END) !== 0
    const usage = accessIn(flags & ~DMA_BUF_SYNC_END)
    if (ends) {
      if (this.exporter.wantsBegin && !this.#began) fail('EINVAL', 'END comes before any START')
      this.memory.clean()
      this.exporter.endCpuAccess?.(flags & DMA_BUF_SYNC_RW)
      return 0
    }
    this.#began = true
    this.#waitFor(usage)
    if ((flags & DMA_BUF_SYNC_READ) !== 0) this.memory.invalidate()
    this.exporter.beginCpuAccess?.(flags & DMA_BUF_SYNC_RW)
    return 0
  }

  /** The kernel holds the thread until no device is in the way. Here, time goes on to what could bring that about. */
  #waitFor(usage: FenceUsage): void {
    for (;;) {
      const [fence] = this.reservation.pending(usage)
      if (fence === undefined) return
      if (this.#parts.clock.step()) continue
      throw new DmaError(
        'DMA_WOULD_BLOCK',
        `DMA_BUF_IOCTL_SYNC of ${this.path} waits for the fence ${fence.driver}-${fence.timeline}${fence.context}-${fence.sequence}, which nothing that is to happen signals: Linux would hold this thread`,
        { hint: 'signal the fence first, or wait without blocking: await buffer.waitForCpuAccess(access)' },
      )
    }
  }

  #exportSyncFile(view: DataView): number {
    const { descriptors, clock, dmaBufNumbers } = this.#parts
    const usage = accessIn(view.getUint32(0, true))
    descriptors.reserve(1)
    const fence = oneFence(this.reservation.pending(usage), () => ++dmaBufNumbers.fenceContext)
    const file = new SyncFile(fence ?? PlainFence.stub(clock), this.#parts)
    view.setInt32(4, descriptors.install(file), true)
    return 0
  }

  #importSyncFile(view: DataView): number {
    const usage = accessIn(view.getUint32(0, true))
    const file = this.#parts.descriptors.find(view.getInt32(4, true))
    if (!(file instanceof SyncFile)) return fail('EINVAL', 'fd is no sync file')
    for (const fence of file.fence.parts) this.reservation.add(fence, usage)
    return 0
  }
}

/** What an access does, by the flags of a request: writing includes reading. */
function accessIn(flags: number): FenceUsage {
  if (flags === 0 || (flags & ~DMA_BUF_SYNC_RW) !== 0) fail('EINVAL', 'flags')
  return (flags & DMA_BUF_SYNC_WRITE) !== 0 ? 'write' : 'read'
}
