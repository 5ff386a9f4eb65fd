import type { FrameAllocator } from '../memory/frames'
import { pageSize } from '../memory/storage'
import type { DmaPath } from './dma-path'

/** No IOMMU, or one that lets everything pass: bus addresses are physical addresses. */
export function physicalPath(frames: FrameAllocator): DmaPath {
  return {
    translate(address, byteLength) {
      const page = frames.atPhysicalAddress(address)
      if (page === undefined) return { byteLength: Math.min(byteLength, pageSize - (address % pageSize)) }
      const part = Math.min(byteLength, page.byteLength)
      return { byteLength: part, memory: page.storage.bytes(page.byteOffset, part), storage: page.storage }
    },
  }
}
