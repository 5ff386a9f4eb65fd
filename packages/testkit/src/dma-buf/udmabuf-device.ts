import { F_SEAL_FUTURE_WRITE, F_SEAL_WRITE, O_RDWR } from '@linux-dma/native'
import { fail } from '../errors'
import type { FileSystem } from '../fs/file-system'
import { deviceNode } from '../fs/nodes'
import { OpenFile } from '../kernel/open-file'
import type { UserMemory } from '../kernel/user-memory'
import { MemFd } from '../memory/memfd'
import { type MemoryRange, pageSize } from '../memory/storage'
import { UDMABUF_CREATE, UDMABUF_CREATE_LIST, UDMABUF_FLAGS_CLOEXEC } from './abi'
import { BufferMemory } from './buffer-memory'
import { DmaBuf, type Exporter } from './dma-buf'
import type { DmaBufParts } from './dma-buf-parts'
import { ModuleParameter } from './module-parameter'

/** Importers get a list of single pages, neighbours or not. */
const udmabuf: Exporter = {
  name: 'udmabuf',
  wantsBegin: true,
  accessMode: O_RDWR,
  segments: (byteLength) => new Array<number>(byteLength / pageSize).fill(pageSize),
}

/** struct udmabuf_create_item */
interface Item {
  readonly memfd: number
  readonly offset: bigint
  readonly size: bigint
}

interface Limits {
  readonly listLimit: ModuleParameter
  readonly sizeLimitMb: ModuleParameter
}

/** Puts /dev/udmabuf and its parameters in place. */
export function mountUdmabuf(fs: FileSystem, parts: DmaBufParts): void {
  const limits = { listLimit: new ModuleParameter(1024), sizeLimitMb: new ModuleParameter(64) }
  limits.listLimit.mount(fs, 'udmabuf', 'list_limit')
  limits.sizeLimitMb.mount(fs, 'udmabuf', 'size_limit_mb')
  fs.put(
    '/dev/udmabuf',
    deviceNode(0o600, () => new UdmabufDevice(parts, limits)),
  )
}

/** /dev/udmabuf, opened: makes dma-bufs of parts of memfds (drivers/dma-buf/udmabuf.c). */
class UdmabufDevice extends OpenFile {
  readonly #parts: DmaBufParts
  readonly #limits: Limits

  constructor(parts: DmaBufParts, limits: Limits) {
    super('/dev/udmabuf')
    this.#parts = parts
    this.#limits = limits
  }

  override ioctl(request: number, argument: UserMemory): number {
    if (request === UDMABUF_CREATE) {
      const view = argument.view(24)
      return this.#create(view.getUint32(4, true), [itemAt(view, 0)])
    }
    if (request === UDMABUF_CREATE_LIST) return this.#createList(argument)
    return fail('ENOTTY')
  }

  #createList(argument: UserMemory): number {
    const head = argument.view(8)
    const count = head.getUint32(4, true)
    const limit = this.#limits.listLimit.value
    // The kernel compares without a sign: a limit below 0 is none.
    if (count > limit >>> 0) fail('EINVAL', `the list has ${count} items, and list_limit is ${limit}`)
    const view = argument.view(8 + count * 24)
    const items = Array.from({ length: count }, (_, index) => itemAt(view, 8 + index * 24))
    return this.#create(head.getUint32(0, true), items)
  }

  /** In the kernel's order: all sizes, then item by item what it is, its seals, its range. */
  #create(flags: number, items: readonly Item[]): number {
    this.#checkSizes(items)
    const pieces = items.map((item) => this.#piece(item))
    const { descriptors } = this.#parts
    descriptors.reserve(1)
    const memory = new BufferMemory(pieces, this.#parts.mirrors)
    const closeOnExec = (flags & UDMABUF_FLAGS_CLOEXEC) !== 0
    return descriptors.install(new DmaBuf(memory, udmabuf, this.#parts), closeOnExec)
  }

  #checkSizes(items: readonly Item[]): void {
    const limitMb = this.#limits.sizeLimitMb.value
    // A limit below 0 is, without a sign, one that nothing reaches.
    const limit = BigInt.asUintN(64, BigInt(limitMb) << 20n)
    let total = 0n
    for (const { offset, size } of items) {
      if (((offset | size) & BigInt(pageSize - 1)) !== 0n) {
        fail('EINVAL', 'offset and size are multiples of the page')
      }
      total += size
      if (total > limit) fail('EINVAL', `${total} bytes are asked for, and size_limit_mb is ${limitMb}`)
    }
    if (total === 0n) fail('EINVAL', 'there are no bytes')
  }

  #piece({ memfd: descriptor, offset, size }: Item): MemoryRange {
    const memfd = descriptor > 0x7fff_ffff ? undefined : this.#parts.descriptors.find(descriptor)
    if (!(memfd instanceof MemFd)) return fail('EBADFD', `descriptor ${descriptor | 0} is no memfd`)
    if ((memfd.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) {
      fail('EINVAL', 'the memfd is sealed against writing')
    }
    if (size === 0n) fail('EINVAL', 'an item has no bytes')
    const byteLength = memfd.storage.byteLength
    if (offset + size > BigInt(byteLength))
      fail('EINVAL', `the range ends beyond the memfd, at ${byteLength}`)
    const range = { byteOffset: Number(offset), byteLength: Number(size) }
    takeHugePages(memfd, range)
    return { storage: memfd.storage, ...range, pinnable: false }
  }
}

/** One after the other: those before the one that there is none left for stay with the memfd. `ENOMEM`. */
function takeHugePages(
  memfd: MemFd,
  { byteOffset, byteLength }: { byteOffset: number; byteLength: number },
): void {
  const unit = memfd.storage.hugePageSize
  if (unit === undefined) return
  const end = byteOffset + byteLength
  for (let page = Math.floor(byteOffset / unit) * unit; page < end; page += unit) memfd.takePages(page, unit)
}

/** struct udmabuf_create_item, and the same fields of struct udmabuf_create. */
function itemAt(view: DataView, at: number): Item {
  return {
    memfd: view.getUint32(at, true),
    offset: view.getBigUint64(at + 8, true),
    size: view.getBigUint64(at + 16, true),
  }
}
