import type { FrameAllocator } from '../memory/frames'
import { pageSize } from '../memory/storage'
import type { DmaPath } from './dma-path'

/** No IOMMU, or one that lets everything pass: bus addresses are physical addresses. */
export function physicalPath(frames: FrameAllocator): DmaPath {
  return {
    translate(address, byteLength) {
      const page = frames.atPhysicalAddress(address)
      if (page === undefined) return { byteLength: Math.min(byteLength, pageSize - (address % pageSize)) }
      const { storage, byteOffset } = page
      const part = Math.min(byteLength, page.byteLength)
      return { byteLength: part, memory: storage.deviceBytes(byteOffset, part), storage, byteOffset }
    },
  }
}
