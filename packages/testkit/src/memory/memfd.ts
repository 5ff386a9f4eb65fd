import {
  DmaError,
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
} from '@linux-dma/native'
import { fail } from '../errors'
import { type FileAccess, type MapRequest, OpenFile } from '../kernel/open-file'
import { type FrameAllocator, hugePageSize } from './frames'
import type { HugePages } from './huge-pages'
import type { MemoryRange, Storage } from './storage'

const F_SEAL_EXEC = 0x20
const contentSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE
const everySeal = contentSeals | F_SEAL_SEAL | F_SEAL_EXEC

const endHint = 'ask for a shorter byteLength or an earlier position, or make the file longer'
const sealHint =
  'close the mappings first: one that is only for reading counts, too, unless its descriptor was opened with O_RDONLY'
const readOnlyHint = "map it with access: 'read'"

/** How to make a memfd: its size in bytes, in base or in huge pages. */
export interface MemFdOptions {
  byteLength: number
  hugePageSize?: number | undefined
}

/** A file in memory, whichever description of it is open: its pages and its seals. */
interface MemFile {
  readonly inode: number
  readonly storage: Storage
  readonly hugePages: HugePages
  /** Huge pages promised so far, by index: the promise lasts until the storage goes. */
  readonly reserved: Set<number>
  seals: number
}

/** An open file in memory that takes seals. Its size is fixed: `Kernel` has no verb to change it. */
export class MemFd extends OpenFile {
  readonly #file: MemFile

  private constructor(path: string, access: FileAccess, file: MemFile) {
    super(path, access)
    this.#file = file
    file.storage.retain()
  }

  /** `ENODEV` for huge pages of a size that the machine has not got. */
  static checkHugePages(size: number): void {
    if (size !== hugePageSize) fail('ENODEV', `no huge pages of ${size} bytes`)
  }

  /** A new file: in huge pages, its size is a multiple of theirs. */
  static create(name: string, options: MemFdOptions, frames: FrameAllocator, hugePages: HugePages): MemFd {
    const { byteLength, hugePageSize: huge } = options
    const reserved = new Set<number>()
    const storage = frames.allocate(byteLength, huge, () => hugePages.free(reserved.size))
    frames.caches?.cover(storage)
    // Frames are given out once, so that the first of them tells files apart.
    const inode = storage.firstFrame
    const file = { inode, storage, hugePages, reserved, seals: F_SEAL_SHRINK }
    return new MemFd(`/memfd:${name}`, 'read-write', file)
  }

  /** As Linux writes it: a file in memory has no name that anything could be found by. */
  override get linkText(): string {
    return `${this.path} (deleted)`
  }

  override get inode(): number {
    return this.#file.inode
  }

  get storage(): Storage {
    return this.#file.storage
  }

  get seals(): number {
    return this.#file.seals
  }

  addSeals(asked: number): void {
    if ((asked & ~everySeal) !== 0) fail('EINVAL', `0x${asked.toString(16)} has bits that are no seals`)
    if ((this.seals & F_SEAL_SEAL) !== 0) fail('EPERM', 'F_SEAL_SEAL is set: no seal can be added')
    // Every memfd has the permission to be executed: who seals that in, seals the content, too.
    const seals = (asked & F_SEAL_EXEC) !== 0 ? asked | contentSeals : asked
    if ((seals & ~this.seals & F_SEAL_WRITE) !== 0) {
      if (this.storage.mappedWritable)
        fail('EBUSY', 'the memory is mapped, and not only for reading', sealHint)
      if (this.storage.pinned) fail('EBUSY', 'the memory is pinned for a device')
    }
    this.#file.seals |= seals
  }

  override reopen(access: FileAccess): MemFd {
    return new MemFd(this.path, access, this.#file)
  }

  override readAt(bytes: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(bytes.byteLength, this.storage.byteLength - position))
    if (count > 0) bytes.set(this.storage.bytes(position, count))
    return count
  }

  override writeAt(bytes: Uint8Array, position: number): number {
    if (this.storage.hugePageSize !== undefined) fail('EINVAL', 'hugetlb files are mapped, not written')
    if (bytes.byteLength === 0) return 0
    if ((this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) fail('EPERM', 'the file is sealed')
    const room = this.storage.byteLength - position
    if (room <= 0 && (this.seals & F_SEAL_GROW) !== 0) fail('EPERM', 'F_SEAL_GROW is set')
    if (room <= 0) fail('EFBIG', 'a fake memfd does not grow')
    const part = bytes.subarray(0, room)
    this.storage.bytes(position, part.byteLength).set(part)
    return part.byteLength
  }

  override checkMappable({ byteLength, position }: MapRequest): void {
    if (position + byteLength <= this.storage.capacity) return
    const message = `the range goes past the end of the file, which has ${this.storage.byteLength} bytes: a read would be SIGBUS`
    throw new DmaError('DMA_BEYOND_END', message, { syscall: 'mmap', hint: endHint })
  }

  override mapMemory({ byteLength, position, access }: MapRequest): MemoryRange {
    const sealed = (this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0
    if (sealed && access === 'read-write') fail('EPERM', 'the file is sealed against writing', readOnlyHint)
    const { storage } = this
    const unit = storage.hugePageSize
    // A length that is none is rounded up.
    if (unit !== undefined && position % unit !== 0)
      fail('EINVAL', `position has to be a multiple of ${unit}`)
    this.takePages(position, byteLength)
    const mayWrite = this.access === 'read-write' && !sealed
    return { storage, byteOffset: position, byteLength, pinnable: true, mayWrite }
  }

  /** Takes the huge pages of a range from the pool, where they are not taken yet. `ENOMEM`. */
  takePages(byteOffset: number, byteLength: number): void {
    const unit = this.storage.hugePageSize
    if (unit === undefined) return
    const { reserved, hugePages } = this.#file
    const first = Math.floor(byteOffset / unit)
    const count = Math.ceil((byteOffset + byteLength) / unit) - first
    const pages = Array.from({ length: count }, (_, index) => first + index)
    const missing = pages.filter((page) => !reserved.has(page))
    hugePages.reserve(missing.length)
    for (const page of missing) reserved.add(page)
  }

  protected override onRelease(): void {
    this.storage.release()
  }
}
