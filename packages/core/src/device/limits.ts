import type { DmaDevice } from './dma-device'

/** Lengths are kept in 32 bits, as a scatterlist's are. */
const LONGEST_MAPPING = 0xffff_ffff

/** Bytes in the largest single mapping of this device. Mirrors `dma_max_mapping_size()`. @throws DMA_CLOSED */
export function dmaMaxMappingSize(device: DmaDevice): number {
  device.assertOpen()
  return Math.min(device.ops.maxMappingSize(device), LONGEST_MAPPING)
}

/** Bytes up to which a mapping is cheap for this device. Mirrors `dma_opt_mapping_size()`. @throws DMA_CLOSED */
export function dmaOptMappingSize(device: DmaDevice): number {
  device.assertOpen()
  return Math.min(device.ops.optMappingSize(device), dmaMaxMappingSize(device))
}

/**
 * The boundary at which segments of a scatterlist are joined when they are mapped, as a mask: 0xfff behind an IOMMU with
 * pages of 4 KiB, 0 where none are joined, or where segments that begin and end there may be bounced, each by itself.
 * Mirrors `dma_get_merge_boundary()`.
 * @throws DMA_CLOSED
 */
export function dmaGetMergeBoundary(device: DmaDevice): number {
  device.assertOpen()
  const { iommu, bouncer } = device.ops
  if (!iommu || bouncer?.needed(device, undefined, 0, iommu.granule)) return 0
  return iommu.granule - 1
}

/** What may share a cache line with what a device writes: 128 bytes on any Arm, whatever its lines. */
const WORST_CACHE_LINE = 128

/**
 * Bytes that a buffer has to be aligned to, and padded to, so that it shares no cache line with something else. Mirrors
 * `dma_get_cache_alignment()`: 1 where device and CPU are coherent.
 * @throws DMA_CLOSED
 */
export function dmaGetCacheAlignment(device: DmaDevice): number {
  device.assertOpen()
  return device.ops.coherent ? 1 : WORST_CACHE_LINE
}

/**
 * Whether there is memory that the device cannot reach in place under its mask. Mirrors `dma_addressing_limited()`.
 * @throws DMA_CLOSED
 */
export function dmaAddressingLimited(device: DmaDevice): boolean {
  device.assertOpen()
  return device.dmaMask < device.ops.requiredMask()
}
