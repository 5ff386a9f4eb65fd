export { DmaError, type DmaErrorDetails, isDmaError, type Kernel, linuxKernel } from '@linux-dma/native'
export type { BufferAccess } from './abi'
export { DmaBufBudget } from './dma-buf/budget'
export { dmaBufBeginCpuAccess, dmaBufEndCpuAccess } from './dma-buf/cpu-access'
export { DmaBuf } from './dma-buf/dma-buf'
export { dmaBufGet } from './dma-buf/get'
export type { DmaBufInfo } from './dma-buf/info'
export type { DmaBufMapOptions } from './dma-buf/map-range'
export { DmaBufMapping } from './dma-buf/mapping'
export { type FenceStatus, SyncFile } from './dma-buf/sync-file'
export { type DmaBufUsage, type DmaBufUse, dmaBufUsage } from './dma-buf/usage'
export { allocateFromHeap, type HeapOptions, listHeaps } from './heap/heaps'
export { type DmaBufHandle, exportDmaBuf, importDmaBuf } from './sharing/handle'
export { dmaBufOfProcess } from './sharing/process'
export { acceptPeer, closePeer, type ReceivedDmaBufs, receiveDmaBuf, sendDmaBuf } from './sharing/socket'
export { listUDmaBufs } from './u-dma-buf/list-u-dma-bufs'
export { openUDmaBuf, type UDmaBufOptions } from './u-dma-buf/open-u-dma-buf'
export { UDmaBuf, type UDmaBufExportOptions, type UDmaBufSyncOptions } from './u-dma-buf/u-dma-buf'
export type { UDmaBufInfo } from './u-dma-buf/u-dma-buf-info'
export { type UDmaBufOpsOptions, uDmaBufOps } from './u-dma-buf/u-dma-buf-ops'
export { createUdmabuf } from './udmabuf/create-udmabuf'
export { openUdmabuf, UdmabufDevice } from './udmabuf/device'
export type { UdmabufLimits } from './udmabuf/limits'
export type {
  UdmabufListOptions,
  UdmabufMemoryOptions,
  UdmabufOptions,
  UdmabufPiece,
  UdmabufSizeOptions,
} from './udmabuf/options'
