export { SgAppendTable } from './append-table'
export type { ChunkLimits } from './chunk-limits'
export type { ChunkTransferError } from './chunk-transfer-error'
export type { Nents, OrigNents } from './counts'
export type { SgCursor } from './cursor'
export { type ChunkTransfer, type ChunkTransferOptions, forEachChunk } from './for-each-chunk'
export type { FromPagesOptions, PageRangeOptions, PageSpaceOptions } from './from-pages'
export type { SgSegmentInit } from './from-segments'
export { dmaGetSgtable } from './get-sgtable'
export { type ChunkIterator, mapChunks } from './map-chunks'
export {
  dmaMapSg,
  dmaMapSgtable,
  dmaSyncSgForCpu,
  dmaSyncSgForDevice,
  dmaSyncSgtableForCpu,
  dmaSyncSgtableForDevice,
  dmaUnmapSg,
  dmaUnmapSgtable,
} from './map-sgtable'
export type { MappedChunk } from './mapped-chunk'
export type { DmaSegment, DmaSegments, MappedSegments } from './mapped-segments'
export type { MappedSgPart } from './mapped-sg-part'
export { MappedSgTable } from './mapped-sg-table'
export { SgMiter, SgMiterFlag } from './miter'
export {
  dmaAllocNoncontiguous,
  dmaFreeNoncontiguous,
  dmaMmapNoncontiguous,
  dmaVmapNoncontiguous,
  dmaVunmapNoncontiguous,
  NoncontiguousAllocation,
} from './noncontiguous'
export { SgTable } from './sg-table'
export type { SgSplitOptions } from './split'
