import { checkInteger, checkOptionNames, checkText } from '../arguments'
import { fail, invalidArgument } from '../errors'
import type { MemoryRange } from '../memory/storage'
import { DmaBuf } from './dma-buf'
import type { DmaBufParts } from './dma-buf-parts'
import { PlainFence } from './fence'
import type { FenceUsage } from './reservation'

/** Work of a device that has begun. */
export interface FakeFence {
  /**
   * The work is over. The first call counts.
   * @param errno why it failed, such as 5 for EIO, with either sign; 0, which is the default, for success
   */
  signal(errno?: number): void
}

/** A device that a dma-buf was imported into: a display, a GPU. */
export interface FakeImporter {
  /**
   * The buffer as the device sees it. Take it anew for each access; what is written to it the program sees after its next
   * system call.
   */
  readonly bytes: Uint8Array
  /** Bytes of each piece of memory that the exporter gave to the device, in order. */
  readonly segments: readonly number[]
  /**
   * The device begins to `read` the buffer or to `write` to it: whoever asks for access that is in the way of that has to wait
   * until the fence is signalled.
   */
  addFence(usage: 'read' | 'write'): FakeFence
  /** The device gives the buffer back. Its fences stay as they are. Idempotent. */
  detach(): void
}

/** How a device shows in fences. */
export interface ImportOptions {
  /** Name of its timeline, as SYNC_IOC_FILE_INFO tells it. `importer` by default. */
  name?: string
}

/** dma_buf_get() and dma_buf_attach(), of the buffer behind a descriptor. `EBADF`, `EINVAL`. */
export function importDmaBuf(descriptor: number, options: ImportOptions, parts: DmaBufParts): FakeImporter {
  checkInteger(descriptor, 'fd', 0, 0x7fffffff)
  checkOptionNames(options, ['name'], 'importDmaBuf')
  const timeline = checkText(options.name ?? 'importer', 'name')
  const file = parts.descriptors.get(descriptor)
  if (!(file instanceof DmaBuf)) return fail('EINVAL', `${file.path} is no dma-buf`)
  return new Importer(file, timeline, parts)
}

class Importer implements FakeImporter {
  readonly #buffer: DmaBuf
  readonly #timeline: string
  readonly #parts: DmaBufParts
  /** What it looks at, from when it first does. */
  #memory: MemoryRange | undefined
  #attached = true

  constructor(buffer: DmaBuf, timeline: string, parts: DmaBufParts) {
    this.#buffer = buffer
    this.#timeline = timeline
    this.#parts = parts
    buffer.retain()
    buffer.memory.clean()
  }

  get bytes(): Uint8Array {
    this.#assertAttached()
    if (this.#memory === undefined) {
      this.#memory = this.#buffer.memory.whole()
      this.#memory.storage.retain()
    }
    const { storage, byteOffset, byteLength } = this.#memory
    return storage.deviceBytes(byteOffset, byteLength)
  }

  get segments(): readonly number[] {
    this.#assertAttached()
    return this.#buffer.exporter.segments(this.#buffer.memory.byteLength)
  }

  addFence(usage: FenceUsage): FakeFence {
    this.#assertAttached()
    if (usage !== 'read' && usage !== 'write') invalidArgument("usage is neither 'read' nor 'write'")
    const { clock, dmaBufNumbers } = this.#parts
    // A context of its own: of two fences in one, the kernel keeps the later one only.
    const context = ++dmaBufNumbers.fenceContext
    const name = { driver: 'fake', timeline: this.#timeline, context, sequence: 1 }
    const fence = new PlainFence(name, clock)
    this.#buffer.reservation.add(fence, usage)
    return {
      signal: (errno = 0) => {
        checkInteger(errno, 'errno', -4095, 4095)
        this.#memory?.storage.settle()
        fence.signal(-Math.abs(errno))
      },
    }
  }

  detach(): void {
    if (!this.#attached) return
    this.#attached = false
    // What the device wrote last is the program's to see.
    this.#memory?.storage.settle()
    this.#buffer.memory.invalidate()
    this.#memory?.storage.release()
    this.#buffer.release()
  }

  #assertAttached(): void {
    if (!this.#attached) invalidArgument('the device has given the buffer back')
  }
}
