/** Requests of linux/udmabuf.h, linux/dma-buf.h, linux/dma-heap.h and linux/sync_file.h, and their structures. */

export const UDMABUF_CREATE = 0x4018_7542
export const UDMABUF_CREATE_LIST = 0x4008_7543
const UDMABUF_FLAGS_CLOEXEC = 1

export const DMA_BUF_IOCTL_SYNC = 0x4008_6200
export const DMA_BUF_SET_NAME_B = 0x4008_6201
export const DMA_BUF_IOCTL_EXPORT_SYNC_FILE = 0xc008_6202
export const DMA_BUF_IOCTL_IMPORT_SYNC_FILE = 0x4008_6203
const DMA_BUF_SYNC_READ = 1
const DMA_BUF_SYNC_WRITE = 2
const DMA_BUF_SYNC_RW = DMA_BUF_SYNC_READ | DMA_BUF_SYNC_WRITE
const DMA_BUF_SYNC_END = 4

export const DMA_HEAP_IOCTL_ALLOC = 0xc018_4800

export const SYNC_IOC_MERGE = 0xc030_3e03
export const SYNC_IOC_FILE_INFO = 0xc038_3e04

/** What somebody does with the bytes of a buffer. */
export type BufferAccess = 'read' | 'write' | 'read-write'

/** The same in the kernel's bits, for the requests that take fences. */
export const ACCESS_BITS: Readonly<Record<BufferAccess, number>> = {
  read: DMA_BUF_SYNC_READ,
  write: DMA_BUF_SYNC_WRITE,
  'read-write': DMA_BUF_SYNC_RW,
}

/** A part of a memfd, in bytes. */
export interface UdmabufItem {
  readonly fd: number
  readonly offset: number
  readonly size: number
}

// One for all: a new ArrayBuffer for each buffer costs more than the system call takes to read it.
const createArgument = structure(24)
const createBytes = bytesOf(createArgument)

/** `struct udmabuf_create`, good until the next call: its descriptor is always close-on-exec. */
export function udmabufCreate({ fd, offset, size }: UdmabufItem): Uint8Array {
  createArgument.setUint32(0, fd, true)
  createArgument.setUint32(4, UDMABUF_FLAGS_CLOEXEC, true)
  setUint64(createArgument, 8, offset)
  setUint64(createArgument, 16, size)
  return createBytes
}

/** `struct udmabuf_create_list` and its items. */
export function udmabufCreateList(items: readonly UdmabufItem[]): Uint8Array {
  const view = structure(8 + 24 * items.length)
  view.setUint32(0, UDMABUF_FLAGS_CLOEXEC, true)
  view.setUint32(4, items.length, true)
  items.forEach(({ fd, offset, size }, index) => {
    const start = 8 + 24 * index
    view.setUint32(start, fd, true)
    setUint64(view, start + 8, offset)
    setUint64(view, start + 16, size)
  })
  return bytesOf(view)
}

/**
 * `struct dma_buf_sync` for the start and the end of an access by the CPU. For reading and writing always: the first
 * direction that a udmabuf hears is the one that its pages stay mapped for, and the kernel takes no other after it.
 */
export const SYNC_START: Uint8Array = syncArgument(DMA_BUF_SYNC_RW)
export const SYNC_END: Uint8Array = syncArgument(DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END)

function syncArgument(flags: number): Uint8Array {
  const view = structure(8)
  setUint64(view, 0, flags)
  return bytesOf(view)
}

/** `struct dma_buf_export_sync_file`, `struct dma_buf_import_sync_file`: flags and a descriptor. */
export function syncFileArgument(access: BufferAccess, fd: number): DataView {
  const view = structure(8)
  view.setUint32(0, ACCESS_BITS[access], true)
  view.setInt32(4, fd, true)
  return view
}

/** `struct dma_heap_allocation_data`; the buffer's descriptor is found at byte 8. */
export function heapAllocation(size: number, descriptorFlags: number): DataView {
  const view = structure(24)
  setUint64(view, 0, size)
  view.setUint32(12, descriptorFlags, true)
  return view
}

/** `struct sync_merge_data`; the new descriptor is found at byte 36. */
export function syncMerge(fd: number, name: Uint8Array): DataView {
  const view = structure(48)
  bytesOf(view).set(name)
  view.setInt32(32, fd, true)
  return view
}

export function structure(byteLength: number): DataView {
  return new DataView(new ArrayBuffer(byteLength))
}

export function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer)
}

function setUint64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % 2 ** 32, true)
  view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true)
}
