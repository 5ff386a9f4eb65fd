export { DmaError, type DmaErrorDetails, isDmaError, type Kernel, linuxKernel } from '@linux-dma/native'
export {
  CoherentAllocation,
  type CoherentOptions,
  dmaAllocCoherent,
  dmaFreeCoherent,
} from './allocation/coherent'
export type { CoherentMemory } from './allocation/coherent-memory'
export {
  dmaAllocNoncoherent,
  dmaAllocPages,
  dmaFreeNoncoherent,
  dmaFreePages,
  NoncoherentAllocation,
} from './allocation/noncoherent'
export { allocateOwnRegion, assertAllocationOf, type OwnRegionOptions } from './allocation/own-region'
export { type BounceOptions, bouncedByKernel, bounceOps, bouncePoolOf } from './bounce/bounce-ops'
export type { BouncePoolUsage } from './bounce/bounce-pool'
export type { Bouncer } from './bounce/bouncer'
export type { AnyDmaAddress } from './checker/by-address'
export type { DmaCheckerOptions } from './checker/checker-options'
export { DmaChecker } from './checker/dma-checker'
export { DmaReport, type DmaReportFacts } from './checker/dma-report'
export type { LiveMapping } from './checker/live-mapping'
export { refusedMap } from './checker/map-misuse'
export { DmaMisuse } from './checker/misuse'
export { misused } from './checker/misused'
export { applyChecked, assertChecked, setDmaChecker } from './checker/set-dma-checker'
export { closeAll } from './checks/close-all'
export { type Explanation, explain, explained, type Reasons } from './checks/explain'
export { kernelOption } from './checks/kernel-option'
export { closed as forgetLeak, watchForLeak } from './checks/leaks'
export {
  assertByteLength,
  assertDevice,
  assertMilliseconds,
  assertOptions,
  assertRange,
  assertSignal,
} from './checks/validate'
export type { ViewRange } from './checks/view-range'
export {
  type Copybreak,
  type CopybreakOptions,
  calibrateCopybreak,
  DEFAULT_COPYBREAK,
} from './copybreak/copybreak'
export type { CopybreakSample, Crossover } from './copybreak/copybreak-crossover'
export { cacheOps } from './device/cache-ops'
export { type DeviceChild, DmaDevice } from './device/dma-device'
export type { DmaOps } from './device/dma-ops'
export {
  type DmaParameters,
  dmaGetMaxSegSize,
  dmaGetMinAlignMask,
  dmaGetSegBoundary,
  dmaSetMaxSegSize,
  dmaSetMinAlignMask,
  dmaSetSegBoundary,
} from './device/dma-parameters'
export type { IommuDomain } from './device/iommu-domain'
export * from './device/limits'
export * from './device/masks'
export { assertCoherent, dmaDevNeedSync, dmaNeedSync } from './device/need-sync'
export { getDmaOps, setDmaOps } from './device/set-dma-ops'
export { type Interrupt, InterruptStream } from './interrupts/interrupt-stream'
export { createDmaRegion, type DmaRegionOptions } from './mapping/create-region'
export { type DirectOpsOptions, directOps } from './mapping/direct-ops'
export {
  dmaSyncSingleForCpu,
  dmaSyncSingleForDevice,
  dmaSyncSingleRangeForCpu,
  dmaSyncSingleRangeForDevice,
  dmaUnmapSingle,
} from './mapping/end-and-sync'
export { MAX_LIVE_MAPPINGS, type MappingHandle } from './mapping/mapping-table'
export { dmaMapPage, dmaUnmapPage } from './mapping/page'
export { DmaRegion, type RegionPurpose } from './mapping/region'
export { dmaMapResource, dmaUnmapResource, ResourceMapping } from './mapping/resource'
export { dmaMapSingle } from './mapping/streaming'
export { StreamingMapping } from './mapping/streaming-mapping'
export { allocateDmaMemory, type DmaMemoryOptions } from './memory/allocate-memory'
export { DmaMemory, type MemoryExport } from './memory/memory'
export { bufferOf, memoryOf, noteForeign, noteWindow } from './memory/memory-of'
export {
  dmaCanMmap,
  dmaMmapCoherent,
  dmaMmapPages,
  type MmapAllocationOptions,
  mmapAllocation,
} from './memory/mmap-allocation'
export type { Frames } from './memory/pagemap'
export { type FrameRange, physicalAddressAt, physicalAddresses, readFrames } from './memory/physical'
export { DmaPin } from './memory/pin'
export { type DmaMemoryHandle, exportDmaMemory, importDmaMemory } from './memory/share-memory'
export { DmaPool } from './pool/dma-pool'
export {
  DmaPoolBlock,
  dmaPoolAlloc,
  dmaPoolDestroy,
  dmaPoolFree,
  dmaPoolZalloc,
} from './pool/dma-pool-block'
export { MAX_POOL_BLOCKS, type PoolHandle } from './pool/dma-pool-blocks'
export { type DmaPoolOptions, dmaPoolCreate } from './pool/dma-pool-create'
export { FileRegisterWindow } from './registers/file-register-window'
export { IoRegion } from './registers/io-region'
export type { PollOptions } from './registers/poll-until'
export * from './vocabulary/address'
export {
  assertAttributes,
  DmaAttribute,
  type DmaAttributes,
  hasAttribute,
} from './vocabulary/attributes'
export {
  assertTransferDirection,
  DmaDirection,
  directionName,
  type TransferDirection,
} from './vocabulary/direction'
