import type { AddressSpace } from './address-space'
import type { FrameAllocator } from './frames'
import { pageSize } from './storage'

const present = 1n << 63n
const sharedOrFile = 1n << 61n

/** Fills `entries` as `/proc/self/pagemap` would: pages of a dma-buf show nothing, other mapped pages are present. */
export function readPagemap(
  addressSpace: AddressSpace,
  frames: FrameAllocator,
  privileged: boolean,
  address: number,
  entries: BigUint64Array,
): number {
  const firstPage = Math.floor(address / pageSize)
  for (let index = 0; index < entries.length; index++) {
    const page = (firstPage + index) * pageSize
    const area = addressSpace.find(page)
    if (!area?.memory?.pinnable) {
      entries[index] = 0n
      continue
    }
    const offset = area.memory.byteOffset + page - area.address
    const frame = frames.frameOf(area.memory.storage, Math.floor(offset / pageSize))
    entries[index] = present | sharedOrFile | (privileged ? BigInt(frame) : 0n)
  }
  return entries.length
}
