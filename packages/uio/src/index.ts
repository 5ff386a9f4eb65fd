export type {
  UioAddressKind,
  UioBarInfo,
  UioDeviceInfo,
  UioMapInfo,
  UioPciInfo,
  UioPortInfo,
} from './discovery/uio-device-info'
