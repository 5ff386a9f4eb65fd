import type { Kernel } from '@linux-dma/core'
import { O_RDONLY, O_RDWR } from '@linux-dma/native'

/** Requests of linux/udmabuf.h, linux/dma-buf.h and linux/dma-heap.h, to hold the fake to the errno. */
const UDMABUF_CREATE = 0x4018_7542
const UDMABUF_CREATE_LIST = 0x4008_7543
export const DMA_BUF_IOCTL_SYNC = 0x4008_6200
export const DMA_BUF_SET_NAME_A = 0x4004_6201
export const DMA_BUF_SET_NAME_B = 0x4008_6201
export const DMA_BUF_IOCTL_EXPORT_SYNC_FILE = 0xc008_6202
export const DMA_BUF_IOCTL_IMPORT_SYNC_FILE = 0x4008_6203
export const DMA_HEAP_IOCTL_ALLOC = 0xc018_4800
export const SYNC_READ = 1
export const SYNC_WRITE = 2
export const SYNC_END = 4

const CLOEXEC = 1

/** A part of a memfd; bigints where it is to be senseless. */
export interface RawItem {
  readonly fd: number
  readonly offset?: number | bigint
  readonly size: number | bigint
}

/** Calls `use` with `/dev/udmabuf`, open. */
export function withNode<Result>(kernel: Kernel, use: (node: number) => Result): Result {
  const node = kernel.open('/dev/udmabuf', O_RDWR)
  try {
    return use(node)
  } finally {
    kernel.close(node)
  }
}

/** UDMABUF_CREATE: the new descriptor. */
export function rawCreate(kernel: Kernel, item: RawItem, flags = CLOEXEC): number {
  const view = new DataView(new ArrayBuffer(24))
  view.setUint32(4, flags, true)
  putItem(view, 0, item)
  return withNode(kernel, (node) => kernel.ioctl(node, UDMABUF_CREATE, bytesOf(view)))
}

/** UDMABUF_CREATE_LIST: the new descriptor. */
export function rawCreateList(kernel: Kernel, items: readonly RawItem[], flags = CLOEXEC): number {
  const view = new DataView(new ArrayBuffer(8 + 24 * items.length))
  view.setUint32(0, flags, true)
  view.setUint32(4, items.length, true)
  items.forEach((item, index) => {
    putItem(view, 8 + 24 * index, item)
  })
  return withNode(kernel, (node) => kernel.ioctl(node, UDMABUF_CREATE_LIST, bytesOf(view)))
}

/** DMA_BUF_IOCTL_SYNC. */
export function rawSync(kernel: Kernel, fd: number, flags: number): number {
  const view = new DataView(new ArrayBuffer(8))
  view.setUint32(0, flags, true)
  return kernel.ioctl(fd, DMA_BUF_IOCTL_SYNC, bytesOf(view))
}

/** What DMA_HEAP_IOCTL_ALLOC is told, and by which heap. */
export interface RawAllocation {
  readonly heap: string
  readonly size: number
  readonly fd?: number
  readonly flags?: number
  readonly heapFlags?: number
  /** Bytes in the structure, which the request says too. */
  readonly byteLength?: number
  readonly request?: number
}

/** DMA_HEAP_IOCTL_ALLOC: the new descriptor. */
export function rawAllocate(kernel: Kernel, allocation: RawAllocation): number {
  const { heap, size, fd = 0, flags = O_RDWR, heapFlags = 0, byteLength = 24 } = allocation
  const request = allocation.request ?? (0xc000_4800 | (byteLength << 16)) >>> 0
  const view = new DataView(new ArrayBuffer(Math.max(byteLength, 24)))
  view.setBigUint64(0, BigInt(size), true)
  view.setUint32(8, fd, true)
  view.setUint32(12, flags >>> 0, true)
  view.setBigUint64(16, BigInt(heapFlags), true)
  const node = kernel.open(heapPath(heap), O_RDONLY)
  try {
    kernel.ioctl(node, request, bytesOf(view).subarray(0, byteLength))
    return view.getInt32(8, true)
  } finally {
    kernel.close(node)
  }
}

/** Where a heap is opened. */
export function heapPath(heap: string): string {
  return `/dev/dma_heap/${heap}`
}

/** Whether the kernel makes sync files: not every configuration has CONFIG_SYNC_FILE. */
export function hasSyncFiles(kernel: Kernel): boolean {
  const memfd = kernel.memfd('conformance', { byteLength: kernel.pageSize })
  const buffer = rawCreate(kernel, { fd: memfd, size: kernel.pageSize })
  try {
    kernel.ioctl(buffer, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, new Uint8Array(8))
    return true
  } catch (error) {
    return (error as { code?: string }).code !== 'ENOTTY'
  } finally {
    for (const fd of [buffer, memfd]) kernel.close(fd)
  }
}

/** A text as C has it. */
export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`)
}

/** A field of `/proc/self/fdinfo`. */
export function fdinfo(kernel: Kernel, fd: number, field: string): string | undefined {
  const text = kernel.readText(`/proc/self/fdinfo/${fd}`)
  return new RegExp(`^${field}:\\t(.*)$`, 'm').exec(text)?.[1]
}

/** Whether a process that this one starts gets the descriptor. */
export function isInherited(kernel: Kernel, fd: number): boolean {
  return (Number.parseInt(fdinfo(kernel, fd, 'flags')!, 8) & 0o2000000) === 0
}

/** Changes a limit of the module for one test, and puts it back. */
export async function withLimit(
  kernel: Kernel,
  name: 'list_limit' | 'size_limit_mb',
  value: number,
  test: () => void | Promise<void>,
): Promise<void> {
  const path = `/sys/module/udmabuf/parameters/${name}`
  const before = kernel.readText(path).trim()
  kernel.writeText(path, String(value))
  try {
    await test()
  } finally {
    kernel.writeText(path, before)
  }
}

/** Descriptor, four bytes of something else, offset and size. */
function putItem(view: DataView, start: number, { fd, offset = 0, size }: RawItem): void {
  view.setInt32(start, fd, true)
  view.setBigUint64(start + 8, BigInt(offset), true)
  view.setBigUint64(start + 16, BigInt(size), true)
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer)
}
