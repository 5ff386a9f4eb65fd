/** Requests of u-dma-buf-ioctl.h. */

export const GET_DRV_INFO = 0x8018_5501
export const GET_SIZE = 0x8008_5502
export const GET_DMA_ADDR = 0x8008_5503
export const GET_SYNC_OWNER = 0x8004_5504
export const SET_SYNC_FOR_CPU = 0x4008_5505
export const SET_SYNC_FOR_DEVICE = 0x4008_5506
export const GET_DEV_INFO = 0x8018_5507
export const GET_SYNC = 0x8018_5508
export const SET_SYNC = 0x4018_5509
export const EXPORT = 0xc028_550a

/** What the driver says of itself beside the version of its ioctls: it has functions for other drivers, and its own two ways of mmap. */
export const DRIVER_FLAGS = 0x3_0100
/** How it maps: by itself where a device is not coherent, as the parameter `quirk_mmap_mode` has it by default. */
export const MMAP_AUTO = 3

/** A dma-buf that is exported so is mapped past the caches. One of its two bits is enough. */
export const O_SYNC = 0o4010000
