import { F_SEAL_FUTURE_WRITE, F_SEAL_WRITE } from '@linux-dma/native'
import { fail } from '../errors'
import type { DescriptorTable } from '../kernel/descriptor-table'
import { type MapRequest, OpenFile } from '../kernel/open-file'
import type { UserMemory } from '../kernel/user-memory'
import { MemFd } from '../memory/memfd'
import { type MemoryRange, pageSize, wholePages } from '../memory/storage'

const UDMABUF_CREATE = 0x4018_7542
const DMA_BUF_IOCTL_SYNC = 0x4008_6200
const syncRead = 1n
const syncWrite = 2n
const syncEnd = 4n
const sizeLimit = 64n * 1024n * 1024n

/** /dev/udmabuf, opened: makes dma-bufs of parts of memfds (drivers/dma-buf/udmabuf.c). */
export class UdmabufFile extends OpenFile {
  readonly #descriptors: DescriptorTable

  constructor(descriptors: DescriptorTable) {
    super('/dev/udmabuf')
    this.#descriptors = descriptors
  }

  override ioctl(request: number, argument: UserMemory): number {
    if (request !== UDMABUF_CREATE) return fail('ENOTTY')
    const view = argument.view(24)
    const memfd = this.#memFd(view.getUint32(0, true))
    const offset = view.getBigUint64(8, true)
    const size = view.getBigUint64(16, true)
    if (((offset | size) & BigInt(pageSize - 1)) !== 0n)
      fail('EINVAL', 'offset and size are multiples of the page')
    if (size === 0n || size > sizeLimit) fail('EINVAL', `size is ${size}: 1 page to ${sizeLimit} bytes`)
    if (offset + size > BigInt(wholePages(memfd.storage.byteLength)))
      fail('EINVAL', 'the range ends beyond the memfd')
    if ((memfd.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0)
      fail('EINVAL', 'the memfd is sealed against writing')
    this.#descriptors.reserve(1)
    return this.#descriptors.install(
      new DmaBuf({
        storage: memfd.storage,
        byteOffset: Number(offset),
        byteLength: Number(size),
        pinnable: false,
      }),
    )
  }

  #memFd(descriptor: number): MemFd {
    const file = descriptor > 0x7fff_ffff ? undefined : this.#descriptors.find(descriptor)
    return file instanceof MemFd ? file : fail('EBADFD', 'not a memfd')
  }
}

/** A dma-buf of a memfd's pages: they stay pinned, and can be mapped but not pinned once more. */
class DmaBuf extends OpenFile {
  override readonly seekable = false
  readonly #memory: MemoryRange
  #started = false

  constructor(memory: MemoryRange) {
    super('dma-buf')
    this.#memory = memory
    memory.storage.pin()
  }

  override ioctl(request: number, argument: UserMemory): number {
    if (request !== DMA_BUF_IOCTL_SYNC) return fail('ENOTTY')
    const flags = argument.view(8).getBigUint64(0, true)
    const direction = flags & (syncRead | syncWrite)
    if (direction === 0n || (flags & ~(syncRead | syncWrite | syncEnd)) !== 0n) fail('EINVAL', 'flags')
    if ((flags & syncEnd) === 0n) this.#started = true
    else if (!this.#started) fail('EINVAL', 'END comes before any START')
    return 0
  }

  override mapMemory({ byteLength, position }: MapRequest): MemoryRange {
    const { storage, byteOffset, byteLength: size } = this.#memory
    if (position + wholePages(byteLength) > size) fail('EINVAL', `the buffer has ${size} bytes`)
    return { storage, byteOffset: byteOffset + position, byteLength, pinnable: false }
  }

  protected override onRelease(): void {
    this.#memory.storage.unpin()
  }
}
