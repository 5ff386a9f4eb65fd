export { callSite } from './call-site'
export * from './constants'
export * from './errors'
export type {
  Clock,
  DmaAccessDetail,
  DmaCaches,
  DmaCheckerView,
  DmaChecks,
  DmaEventDirection,
  DmaEventFamily,
  DmaEvents,
  DmaUnderWay,
  FileDescriptor,
  Kernel,
  LiveCounters,
  ReceivedMessage,
  Watch,
  WatchListener,
} from './kernel'
export { linuxKernel } from './linux-kernel'
export type { MemoryMapping, MmapOptions } from './memory-mapping'
export type { MemoryPin } from './memory-pin'
export type { BoundRegister, RegisterWindow } from './register-window'
export type { SocketType } from './socket-address'
