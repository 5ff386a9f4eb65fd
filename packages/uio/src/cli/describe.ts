import { PCI_DEVICES } from '@linux-dma/pci'
import { iommuTranslates } from '../discovery/iommu'
import type { UioBarInfo, UioDeviceInfo, UioMapInfo, UioPciInfo } from '../discovery/uio-device-info'
import { formatTable } from './table'

/** One line for each device, below a heading. */
export function describeBriefly(devices: readonly UioDeviceInfo[]): string {
  const heading = ['NODE', 'NAME', 'VERSION', 'DEVICE', 'ID', 'DRIVER', 'MAPS', 'PORTS', 'EVENTS']
  const rows = devices.map(({ node, name, version, devicePath, pci, driver, maps, ports, eventCount }) => [
    node,
    name,
    version,
    pci?.address ?? devicePath.slice(devicePath.lastIndexOf('/') + 1),
    pci ? identity(pci) : '-',
    driver ?? '-',
    `${maps.length}`,
    `${ports.length}`,
    `${eventCount}`,
  ])
  return formatTable([heading, ...rows])
}

/** All that is known of one device. */
export function describeFully(device: UioDeviceInfo): string {
  const { node, name, version, maps, ports, pci } = device
  const parts = [`${node}: ${name}, version ${version}`, formatTable(facts(device), '  ')]
  if (maps.length > 0) parts.push('  Maps', mapTable(maps))
  if (ports.length > 0) {
    const rows = ports.map((port) => [
      `${port.index}`,
      port.name || '-',
      hexadecimal(port.start),
      `${port.size}`,
      port.type,
    ])
    parts.push('  Ports', formatTable([['PORT', 'NAME', 'FIRST', 'COUNT', 'TYPE'], ...rows], '    '))
  }
  const hidden = pci?.bars.filter(({ map }) => map === undefined) ?? []
  if (pci && hidden.length > 0) parts.push(...describeHidden(pci, hidden))
  return parts.join('\n')
}

function facts(device: UioDeviceInfo): string[][] {
  const { path, devicePath, driver, eventCount, maps, ports, pci } = device
  const rows = [
    ['node', path],
    [
      'device',
      pci ? `PCI ${pci.address}, ${identity(pci)}, class ${hexadecimal(pci.classCode, 6)}` : devicePath,
    ],
    ['driver', driver ?? 'none'],
    ['events', `${eventCount}`],
  ]
  if (pci) {
    rows.push(['bus master', pci.busMaster ? 'on' : 'off: the device can start no transfer'])
    rows.push([
      'interrupt pin',
      pci.intxDisabled ? 'masked, until its owner asks for the next interrupt' : 'not masked',
    ])
  }
  rows.push(['IOMMU', describeIommu(device)], ['DMA', describeDma(device)])
  if (maps.length + ports.length === 0) rows.push(['maps', 'none'])
  return rows
}

function describeIommu({ iommuGroup, iommuType }: UioDeviceInfo): string {
  return iommuGroup === undefined ? 'none' : `group ${iommuGroup}, type ${iommuType ?? 'unknown'}`
}

/** Whether a physical address means anything to the device, as far as that is known, and what to do where it does not. */
function describeDma(device: UioDeviceInfo): string {
  const translated = iommuTranslates(device)
  // Of a PCI device it is known that its transfers go where bus mastering lets them; of others sysfs tells nothing.
  const physical = device.pci ? ofPci(translated) : ofOthers(translated)
  return device.maps.some(({ dmaMemory }) => dmaMemory)
    ? `${physical}; DMA memory of its driver is among the maps`
    : physical
}

function ofPci(translated: boolean): string {
  return translated
    ? 'physical addresses do not get through the IOMMU: take vfio-pci instead, or boot with iommu=pt'
    : 'physical addresses reach memory, all of it: openUio(…, { unsafePhysicalAddresses: true })'
}

function ofOthers(translated: boolean): string {
  const what = 'sysfs does not tell whether the device does DMA'
  return translated
    ? `${what}; physical addresses would not get through the IOMMU`
    : `${what}; if it does, no IOMMU keeps it from any memory: openUio(…, { unsafePhysicalAddresses: true })`
}

function mapTable(maps: readonly UioMapInfo[]): string {
  const rows = maps.map((map) => [
    `${map.index}`,
    map.name || '-',
    hexadecimal(map.address),
    bytes(map.byteLength),
    hexadecimal(map.byteOffset),
    whatItShows(map),
  ])
  return formatTable([['MAP', 'NAME', 'ADDRESS', 'SIZE', 'OFFSET', 'WHAT'], ...rows], '    ')
}

function whatItShows({ bar, dmaMemory, addressKind }: UioMapInfo): string {
  if (bar !== undefined) return `BAR ${bar}`
  if (dmaMemory) return 'DMA memory: the address is for the device'
  switch (addressKind) {
    case 'registers':
      return 'registers'
    case 'memory':
      return 'memory'
    case 'kernel-pointer':
      return 'memory; the address is a pointer of the kernel, nothing for a device'
    case 'none':
      return 'no memory now'
    case 'unknown':
      return 'memory or registers'
  }
}

function describeHidden({ address }: UioPciInfo, bars: readonly UioBarInfo[]): string[] {
  const rows = bars.map((bar) => [
    `${bar.index}`,
    hexadecimal(bar.address),
    bytes(bar.byteLength),
    kindOfBar(bar),
    `${PCI_DEVICES}/${address}/resource${bar.index}`,
  ])
  return [
    '  BARs that no map shows: device.bar(index) has them, through the file',
    formatTable([['BAR', 'ADDRESS', 'SIZE', 'WHAT', 'FILE'], ...rows], '    '),
  ]
}

function kindOfBar({ kind, is64Bit, prefetchable }: UioBarInfo): string {
  if (kind === 'io') return 'I/O ports'
  return `memory${is64Bit ? ', 64-bit' : ''}${prefetchable ? ', prefetchable' : ''}`
}

function identity({ vendorId, deviceId }: UioPciInfo): string {
  return [vendorId, deviceId].map((id) => id.toString(16).padStart(4, '0')).join(':')
}

function hexadecimal(value: number | bigint, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, '0')}`
}

/** In the largest unit of which it is a whole number. */
function bytes(count: number): string {
  const units = ['GiB', 'MiB', 'KiB']
  const unit = units.findIndex((_, i) => count > 0 && count % 1024 ** (3 - i) === 0)
  return unit === -1 ? `${count} B` : `${count / 1024 ** (3 - unit)} ${units[unit]}`
}
