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
