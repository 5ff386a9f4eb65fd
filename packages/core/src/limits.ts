import type { DmaDevice } from './dma-device'

/** Lengths are kept in 32 bits, as a scatterlist's are. */
const LONGEST_MAPPING = 0xffff_ffff

/** Bytes in the largest single mapping of this device. Mirrors `dma_max_mapping_size()`. @throws DMA_CLOSED */
export function dmaMaxMappingSize(device: DmaDevice): number {
  device.assertOpen()
  return Math.min(device.ops.maxMappingSize(), LONGEST_MAPPING)
}

/** Bytes up to which a mapping is cheap for this device. Mirrors `dma_opt_mapping_size()`. @throws DMA_CLOSED */
export function dmaOptMappingSize(device: DmaDevice): number {
  device.assertOpen()
  return Math.min(device.ops.optMappingSize(), dmaMaxMappingSize(device))
}
