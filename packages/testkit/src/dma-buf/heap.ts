import { O_CLOEXEC } from '@linux-dma/native'
import { fail } from '../errors'
import type { FileSystem } from '../fs/file-system'
import { deviceNode } from '../fs/nodes'
import { OpenFile } from '../kernel/open-file'
import type { UserMemory } from '../kernel/user-memory'
import { pageSize, type Storage } from '../memory/storage'
import { DMA_HEAP_IOCTL_ALLOC } from './abi'
import { BufferMemory } from './buffer-memory'
import { DmaBuf } from './dma-buf'
import type { DmaBufParts } from './dma-buf-parts'

/** Where heaps are found. */
export const heapFolder = '/dev/dma_heap'

const accessModes = 0o3

/** Where the memory of a heap's buffers comes from. */
export interface Heap {
  readonly name: string
  /** Zeroed memory of whole pages that nobody refers to yet. `ENOMEM`. */
  allocate(byteLength: number): Storage
  /** The memory of a buffer is given back. */
  onRelease(byteLength: number): void
  /** Bytes of each piece of a buffer that an importing device gets. */
  segments(byteLength: number): number[]
}

/** Puts a heap into /dev/dma_heap. */
export function mountHeap(fs: FileSystem, heap: Heap, parts: DmaBufParts): void {
  fs.put(
    `${heapFolder}/${heap.name}`,
    deviceNode(0o600, () => new HeapFile(heap, parts)),
  )
}

/** A heap's node, opened: makes dma-bufs of memory of its own (drivers/dma-buf/dma-heap.c). */
class HeapFile extends OpenFile {
  override readonly seekable = false
  readonly #heap: Heap
  readonly #parts: DmaBufParts

  constructor(heap: Heap, parts: DmaBufParts) {
    super(`${heapFolder}/${heap.name}`)
    this.#heap = heap
    this.#parts = parts
  }

  /** There is one request, known by its number alone; the structure is as long as the request says. */
  override ioctl(request: number, argument: UserMemory): number {
    if ((request & 0xff) !== 0) fail('EINVAL', 'a heap has one request, of number 0')
    const size = (request >>> 16) & 0x3fff
    const shared = request & DMA_HEAP_IOCTL_ALLOC
    const bytesIn = (shared & 0x4000_0000) === 0 ? 0 : size
    const bytesOut = shared >>> 31 === 0 ? 0 : size
    const given = Math.max(bytesIn, bytesOut) === 0 ? new Uint8Array() : bytesOf(argument, size)
    const structure = new Uint8Array(Math.max(size, 24))
    structure.set(given.subarray(0, bytesIn))
    const view = new DataView(structure.buffer)
    view.setUint32(8, this.#allocate(view), true)
    given.set(structure.subarray(0, bytesOut))
    return 0
  }

  #allocate(request: DataView): number {
    const flags = request.getUint32(12, true)
    if (request.getUint32(8, true) !== 0) fail('EINVAL', 'fd is not 0')
    if ((flags & ~(O_CLOEXEC | accessModes)) !== 0) fail('EINVAL', 'fd_flags has unknown bits')
    if (request.getBigUint64(16, true) !== 0n) fail('EINVAL', 'heap_flags is not 0')
    // The length is rounded up in 64 bits, and so comes to 0 at the very end.
    const length = BigInt.asUintN(64, request.getBigUint64(0, true) + BigInt(pageSize - 1))
    const byteLength = Number(length - (length % BigInt(pageSize)))
    if (byteLength === 0) fail('EINVAL', 'len is 0')
    return this.#export(byteLength, flags)
  }

  #export(byteLength: number, flags: number): number {
    const { descriptors, mirrors } = this.#parts
    const heap = this.#heap
    const storage = heap.allocate(byteLength)
    const piece = { storage, byteOffset: 0, byteLength, pinnable: false }
    const memory = new BufferMemory([piece], mirrors, () => heap.onRelease(byteLength))
    const { name, segments } = heap
    const exporter = { name, segments, wantsBegin: false, accessMode: flags & accessModes }
    const buffer = new DmaBuf(memory, exporter, this.#parts).retain()
    try {
      return descriptors.install(buffer, (flags & O_CLOEXEC) !== 0)
    } finally {
      buffer.release()
    }
  }
}

function bytesOf(argument: UserMemory, byteLength: number): Uint8Array {
  const { buffer, byteOffset } = argument.view(byteLength)
  return new Uint8Array(buffer, byteOffset, byteLength)
}
