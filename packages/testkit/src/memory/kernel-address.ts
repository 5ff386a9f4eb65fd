import { pageSize, type Storage } from './storage'

/** Where the kernel sees all of physical memory, on a machine with five levels of page tables. */
const directMap = 0xff11_0000_0000_0000n
/** Where it puts memory together that is in pieces. */
const vmalloc = 0xffa0_0000_0000_0000n

/** The kernel's own pointer to memory: a number that means nothing to a device, and nothing good to a program. */
export function kernelAddress(storage: Storage): bigint {
  const base = storage.contiguous ? directMap : vmalloc
  return base + BigInt(storage.firstFrame) * BigInt(pageSize)
}
