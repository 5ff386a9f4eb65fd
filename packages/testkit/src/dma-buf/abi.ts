/** Numbers of linux/udmabuf.h, linux/dma-buf.h, linux/dma-heap.h and linux/sync_file.h. */

export const UDMABUF_CREATE = 0x4018_7542
export const UDMABUF_CREATE_LIST = 0x4008_7543
export const UDMABUF_FLAGS_CLOEXEC = 1

export const DMA_BUF_IOCTL_SYNC = 0x4008_6200
export const DMA_BUF_SET_NAME_A = 0x4004_6201
export const DMA_BUF_SET_NAME_B = 0x4008_6201
export const DMA_BUF_IOCTL_EXPORT_SYNC_FILE = 0xc008_6202
export const DMA_BUF_IOCTL_IMPORT_SYNC_FILE = 0x4008_6203

export const DMA_BUF_SYNC_READ = 1
export const DMA_BUF_SYNC_WRITE = 2
export const DMA_BUF_SYNC_RW = DMA_BUF_SYNC_READ | DMA_BUF_SYNC_WRITE
export const DMA_BUF_SYNC_END = 4

/** Bytes of a buffer's name, with the zero that ends it. */
export const DMA_BUF_NAME_LEN = 32

export const SYNC_IOC_MERGE = 0xc030_3e03
export const SYNC_IOC_FILE_INFO = 0xc038_3e04
export const SYNC_IOC_SET_DEADLINE = 0x4010_3e05

export const DMA_HEAP_IOCTL_ALLOC = 0xc018_4800
