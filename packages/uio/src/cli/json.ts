import { PCI_DEVICES } from '@linux-dma/pci'
import { iommuTranslates } from '../discovery/iommu'
import type {
  UioBarInfo,
  UioDeviceInfo,
  UioMapInfo,
  UioPciInfo,
  UioPortInfo,
} from '../discovery/uio-device-info'

/** An address or another number that is read in hexadecimal: `0x` and lower-case digits. */
type Hexadecimal = `0x${string}`

/**
 * What `lsuio --json` prints. Fields are added without notice; where one is removed or changes its meaning, `schema` is
 * another number. What there is not is null.
 */
export interface LsuioOutput {
  readonly schema: 1
  readonly devices: readonly JsonDevice[]
}

/** One device. */
export interface JsonDevice {
  readonly node: string
  readonly number: number
  readonly path: string
  readonly name: string
  readonly version: string
  readonly eventCount: number
  readonly driver: string | null
  readonly devicePath: string
  /** Null where no IOMMU is on. `translates`: DMA by physical address cannot work. */
  readonly iommu: {
    readonly group: string
    readonly type: string | null
    readonly translates: boolean
  } | null
  readonly maps: readonly JsonMap[]
  readonly ports: readonly JsonPort[]
  readonly pci: JsonPci | null
}

/** One map. */
export interface JsonMap extends Omit<UioMapInfo, 'address' | 'bar' | 'dmaMemory'> {
  readonly address: Hexadecimal
  /** The BAR that it shows, or shows a part of. */
  readonly bar: number | null
  readonly dmaMemory: boolean
}

/** One range of I/O ports. */
export interface JsonPort extends Omit<UioPortInfo, 'start'> {
  readonly start: Hexadecimal
}

/** The PCI device. */
export interface JsonPci extends Omit<UioPciInfo, 'vendorId' | 'deviceId' | 'classCode' | 'bars'> {
  readonly vendorId: Hexadecimal
  readonly deviceId: Hexadecimal
  readonly classCode: Hexadecimal
  readonly bars: readonly JsonBar[]
}

/** One BAR, of the PCI device and not of UIO. */
export interface JsonBar extends Omit<UioBarInfo, 'address' | 'map'> {
  readonly address: Hexadecimal
  /** Index of the map that shows all of it; null where UIO hides it. */
  readonly map: number | null
  /** The file in sysfs that has it in any case. */
  readonly resource: string
}

/** The devices as `--json` prints them. */
export function toJson(devices: readonly UioDeviceInfo[]): LsuioOutput {
  return { schema: 1, devices: devices.map(deviceToJson) }
}

function deviceToJson(device: UioDeviceInfo): JsonDevice {
  const { node, number, path, name, version, eventCount, driver, devicePath, maps, ports, pci } = device
  return {
    node,
    number,
    path,
    name,
    version,
    eventCount,
    driver: driver ?? null,
    devicePath,
    iommu: iommuToJson(device),
    maps: maps.map(mapToJson),
    ports: ports.map((port) => ({ ...port, start: hexadecimal(port.start) })),
    pci: pci ? pciToJson(pci) : null,
  }
}

function iommuToJson(device: UioDeviceInfo): JsonDevice['iommu'] {
  const { iommuGroup: group, iommuType: type = null } = device
  return group === undefined ? null : { group, type, translates: iommuTranslates(device) }
}

function mapToJson({
  index,
  name,
  address,
  addressKind,
  byteLength,
  byteOffset,
  bar,
  dmaMemory,
}: UioMapInfo): JsonMap {
  return {
    index,
    name,
    address: hexadecimal(address),
    addressKind,
    byteLength,
    byteOffset,
    bar: bar ?? null,
    dmaMemory: dmaMemory ?? false,
  }
}

function pciToJson(pci: UioPciInfo): JsonPci {
  const { address, vendorId, deviceId, classCode, busMaster, intxDisabled } = pci
  return {
    address,
    vendorId: hexadecimal(vendorId, 4),
    deviceId: hexadecimal(deviceId, 4),
    classCode: hexadecimal(classCode, 6),
    busMaster,
    intxDisabled,
    bars: pci.bars.map(({ map, ...bar }) => ({
      ...bar,
      address: hexadecimal(bar.address),
      map: map ?? null,
      resource: `${PCI_DEVICES}/${address}/resource${bar.index}`,
    })),
  }
}

function hexadecimal(value: number | bigint, digits = 1): Hexadecimal {
  return `0x${value.toString(16).padStart(digits, '0')}`
}
