export { callSite } from './call-site'
export * from './constants'
export * from './errors'
export type {
  Clock,
  DmaCaches,
  DmaCheckerView,
  DmaChecks,
  DmaEventDirection,
  DmaEventFamily,
  DmaEvents,
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
