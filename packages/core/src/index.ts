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
export { CoherentAllocation, dmaAllocCoherent, dmaFreeCoherent } from './coherent'
export { createDmaRegion, type DmaRegionOptions } from './create-region'
export { DmaDirection, directionName, type TransferDirection } from './direction'
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
export { FileRegisterWindow } from './file-register-window'
export { IoRegion } from './io-region'
export type { IommuDomain } from './iommu-domain'
export * from './limits'
export { MAX_LIVE_MAPPINGS, type MappingHandle } from './mapping-table'
export * from './masks'
export { allocateDmaMemory, bufferOf, DmaMemory, type DmaMemoryOptions, memoryOf } from './memory'
export { assertCoherent, dmaDevNeedSync, dmaNeedSync } from './need-sync'
export type { PollOptions } from './poll-until'
export { DmaRegion } from './region'
export { getDmaOps, setDmaOps } from './set-dma-ops'
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
