export { openUio, type UioOptions } from './device/open-uio'
export { UioDevice } from './device/uio-device'
export { UioMemory } from './device/uio-memory'
export { findUioDevice } from './discovery/find-device'
export { listUioDevices, readUioDevice } from './discovery/list-devices'
export type {
  UioAddressKind,
  UioBarInfo,
  UioDeviceInfo,
  UioMapInfo,
  UioPciInfo,
  UioPortInfo,
  UioSelector,
} from './discovery/uio-device-info'
export { UioInterruptStream } from './interrupts/uio-interrupt-stream'
