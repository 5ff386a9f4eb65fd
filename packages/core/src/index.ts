export { DmaError, type DmaErrorDetails, isDmaError, type Kernel, linuxKernel } from '@linux-dma/native'
export * from './address'
export {
  assertAttributes,
  DmaAttribute,
  type DmaAttributes,
  hasAttribute,
} from './attributes'
export { type BounceOptions, bounceOps, bouncePoolOf } from './bounce-ops'
export type { BouncePoolUsage } from './bounce-pool'
export type { Bouncer } from './bouncer'
export { closeAll } from './close-all'
export {
  CoherentAllocation,
  type CoherentOptions,
  dmaAllocCoherent,
  dmaFreeCoherent,
} from './coherent'
export { type Copybreak, type CopybreakOptions, calibrateCopybreak, DEFAULT_COPYBREAK } from './copybreak'
export type { CopybreakSample, Crossover } from './copybreak-crossover'
export { createDmaRegion, type DmaRegionOptions } from './create-region'
export { type DirectOpsOptions, directOps } from './direct-ops'
export { assertTransferDirection, DmaDirection, directionName, type TransferDirection } from './direction'
export { type DeviceChild, DmaDevice } from './dma-device'
export type { DmaOps } from './dma-ops'
export {
  type DmaParameters,
  dmaGetMaxSegSize,
  dmaGetMinAlignMask,
  dmaGetSegBoundary,
  dmaSetMaxSegSize,
  dmaSetMinAlignMask,
  dmaSetSegBoundary,
} from './dma-parameters'
export { DmaPool } from './dma-pool'
export {
  DmaPoolBlock,
  dmaPoolAlloc,
  dmaPoolDestroy,
  dmaPoolFree,
  dmaPoolZalloc,
} from './dma-pool-block'
export { MAX_POOL_BLOCKS, type PoolHandle } from './dma-pool-blocks'
export { type DmaPoolOptions, dmaPoolCreate } from './dma-pool-create'
export { FileRegisterWindow } from './file-register-window'
export { IoRegion } from './io-region'
export type { IommuDomain } from './iommu-domain'
export * from './limits'
export { MAX_LIVE_MAPPINGS, type MappingHandle } from './mapping-table'
export * from './masks'
export { allocateDmaMemory, bufferOf, DmaMemory, type DmaMemoryOptions, memoryOf } from './memory'
export {
  dmaCanMmap,
  dmaMmapCoherent,
  dmaMmapPages,
  type MmapAllocationOptions,
  mmapAllocation,
} from './mmap-allocation'
export { assertCoherent, dmaDevNeedSync, dmaNeedSync } from './need-sync'
export {
  dmaAllocNoncoherent,
  dmaAllocPages,
  dmaFreeNoncoherent,
  dmaFreePages,
  NoncoherentAllocation,
} from './noncoherent'
export { dmaMapPage, dmaUnmapPage } from './page'
export type { Frames } from './pagemap'
export { type FrameRange, physicalAddressAt, physicalAddresses, readFrames } from './physical'
export { DmaPin } from './pin'
export type { PollOptions } from './poll-until'
export { DmaRegion } from './region'
export { dmaMapResource, dmaUnmapResource, ResourceMapping } from './resource'
export { getDmaOps, setDmaOps } from './set-dma-ops'
export { type DmaMemoryHandle, exportDmaMemory, importDmaMemory } from './share-memory'
export {
  dmaMapSingle,
  dmaSyncSingleForCpu,
  dmaSyncSingleForDevice,
  dmaSyncSingleRangeForCpu,
  dmaSyncSingleRangeForDevice,
  dmaUnmapSingle,
  StreamingMapping,
} from './streaming'
export { assertByteLength, assertMilliseconds, assertOptions, assertRange, assertSignal } from './validate'
export type { ViewRange } from './view-range'
