/**
 * Requests that make a new descriptor, and where it is found: in ioctl's result, or in the four bytes at an offset of
 * the argument. The kernel owns nothing of it then: it has to be counted, closed, and closed at the end of a worker.
 */
const DESCRIPTOR_OF = new Map<number, 'result' | number>([
  [0x3b6a, 'result'], // VFIO_GROUP_GET_DEVICE_FD
  [0x40187542, 'result'], // UDMABUF_CREATE
  [0x40087543, 'result'], // UDMABUF_CREATE_LIST
  [0xc0184800, 8], // DMA_HEAP_IOCTL_ALLOC
  // The number has the size of the structure in it, and the kernel takes others: those of its own test.
  [0xc0104800, 8],
  [0xc0304800, 8],
  [0xc0086202, 4], // DMA_BUF_IOCTL_EXPORT_SYNC_FILE
  [0xc0303e03, 36], // SYNC_IOC_MERGE
  [0xc028550a, 32], // U_DMA_BUF_IOCTL_EXPORT, of the driver u-dma-buf
])

/** The descriptor that a request has just made, or undefined where it makes none. */
export function newDescriptor(
  request: number,
  result: number,
  argument: Uint8Array | number,
): number | undefined {
  const place = DESCRIPTOR_OF.get(request)
  if (place === undefined) return undefined
  if (place === 'result') return result
  if (typeof argument === 'number') return undefined
  return new DataView(argument.buffer, argument.byteOffset, argument.byteLength).getInt32(place, littleEndian)
}

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
