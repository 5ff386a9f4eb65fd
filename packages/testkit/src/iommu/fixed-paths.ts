import type { FrameAllocator } from '../memory/frames'
import { pageSize } from '../memory/storage'
import type { DmaPath } from './dma-path'

/** An IOMMU without a single mapping: where a device ends up that no one has put into a VFIO container. */
export const blockedPath: DmaPath = {
  translate: (address, byteLength) => ({ byteLength: Math.min(byteLength, pageSize - (address % pageSize)) }),
}

/** No IOMMU: bus addresses are physical addresses. */
export function physicalPath(frames: FrameAllocator): DmaPath {
  return {
    translate(address, byteLength) {
      const page = frames.atPhysicalAddress(address)
      if (page === undefined) return { byteLength: Math.min(byteLength, pageSize - (address % pageSize)) }
      const part = Math.min(byteLength, page.byteLength)
      return { byteLength: part, memory: page.storage.bytes(page.byteOffset, part) }
    },
  }
}
