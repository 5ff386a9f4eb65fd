export type { ChunkLimits, ChunkOptions } from './chunks/chunk-limits'
export { type ChunkTransferError, isChunkTransferError } from './chunks/chunk-transfer-error'
export { type ChunkTransfer, type ChunkTransferOptions, forEachChunk } from './chunks/for-each-chunk'
export { type ChunkIterator, mapChunks } from './chunks/map-chunks'
export type { MappedChunk } from './chunks/mapped-chunk'
export type { DmaPage } from './mapping/dma-pages'
export {
  dmaSyncSgForCpu,
  dmaSyncSgForDevice,
  dmaSyncSgtableForCpu,
  dmaSyncSgtableForDevice,
  dmaUnmapSg,
  dmaUnmapSgtable,
} from './mapping/end-and-sync'
export { dmaGetSgtable } from './mapping/get-sgtable'
export { dmaMapSg, dmaMapSgtable } from './mapping/map-sgtable'
export type { DmaSegment, DmaSegments, MappedSegments } from './mapping/mapped-segments'
export type { MappedSgPart } from './mapping/mapped-sg-part'
export { MappedSgTable } from './mapping/mapped-sg-table'
export {
  dmaAllocNoncontiguous,
  dmaFreeNoncontiguous,
  dmaMmapNoncontiguous,
  dmaVmapNoncontiguous,
  dmaVunmapNoncontiguous,
  NoncontiguousAllocation,
} from './mapping/noncontiguous'
export { SgAppendTable } from './table/append-table'
export type { Nents, OrigNents } from './table/counts'
export type { SgCursor } from './table/cursor'
export type { FromPagesOptions, PageRangeOptions, PageSpaceOptions } from './table/from-pages'
export type { SgSegmentInit } from './table/from-segments'
export { SgMiter, SgMiterFlag } from './table/miter'
export { SgTable } from './table/sg-table'
export type { SgSplitOptions } from './table/split'
