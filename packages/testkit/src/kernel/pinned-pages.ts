import type { MemoryPin } from '@linux-dma/native'
import { fail } from '../errors'
import type { FileSystem } from '../fs/file-system'
import { textFile } from '../fs/nodes'
import { type MemoryRange, pageSize } from '../memory/storage'
import type { FakeProcess } from '../process'
import type { DescriptorTable } from './descriptor-table'
import { OpenFile } from './open-file'

const hint =
  'sudo sysctl kernel.io_uring_disabled=0; or do without: huge pages (hugePageSize) and memory mapped through VFIO stay in place without a pin'

/** The switch `kernel.io_uring_disabled`: 1 keeps io_uring from those without CAP_SYS_ADMIN, 2 from everybody. */
export class IoUringSwitch {
  #disabled = 0

  constructor(fs: FileSystem) {
    const set = (text: string) => {
      if (!/^[012]\s*$/.test(text)) fail('EINVAL', 'write 0, 1 or 2')
      this.#disabled = Number(text)
    }
    fs.put(
      '/proc/sys/kernel/io_uring_disabled',
      textFile(() => `${this.#disabled}\n`, set, 0o644),
    )
  }

  /** Whether a process may have one more io_uring. `EPERM`, `EMFILE`. */
  admit(process: FakeProcess, descriptors: DescriptorTable): void {
    const allowed = this.#disabled === 0 || (this.#disabled === 1 && process.has('CAP_SYS_ADMIN'))
    if (!allowed) fail('EPERM', `kernel.io_uring_disabled is ${this.#disabled}`, hint)
    descriptors.reserve(1)
  }
}

/** An io_uring that holds the pages of one fixed buffer: pinned until the last descriptor of it is closed. */
export class PinnedPages extends OpenFile {
  override readonly seekable = false
  readonly #memory: MemoryRange
  readonly #process: FakeProcess
  readonly #pages: number

  constructor(memory: MemoryRange, process: FakeProcess) {
    super('anon_inode:[io_uring]')
    this.#memory = memory
    this.#process = process
    this.#pages = pagesOf(memory)
    process.pinPages(this.#pages)
    memory.storage.pin()
  }

  protected override onRelease(): void {
    this.#process.unpinPages(this.#pages)
    this.#memory.storage.unpin()
  }
}

/** What `Kernel.pin` returns. */
export class FakePin implements MemoryPin {
  readonly #release: () => void
  #closed = false

  constructor(release: () => void) {
    this.#release = release
  }

  get closed(): boolean {
    return this.#closed
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#release()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** Base pages that count: a huge page counts whole. */
function pagesOf({ storage, byteOffset, byteLength }: MemoryRange): number {
  const unit = storage.hugePageSize ?? pageSize
  const units = Math.ceil((byteOffset + byteLength) / unit) - Math.floor(byteOffset / unit)
  return units * (unit / pageSize)
}
