import type { Recording } from './recorded-kernel'

/** One map as sysfs has it. */
export interface RecordedMap {
  readonly name?: string
  readonly addr: string
  readonly size: string
  readonly offset?: string
}

/** One UIO device, to be recorded. */
export interface RecordedDevice {
  readonly node: string
  readonly name: string
  /** Where the device behind it is in sysfs. */
  readonly devicePath: string
  readonly subsystem: 'pci' | 'platform'
  readonly driver?: string
  readonly maps?: Readonly<Record<string, RecordedMap>>
  readonly ports?: Readonly<Record<string, { name?: string; start: string; size: string; porttype: string }>>
  readonly event?: string
}

/** The files of a UIO device. */
export function uioFiles(device: RecordedDevice): Recording {
  const { node, name, devicePath, subsystem, driver, maps = {}, ports = {}, event = '0' } = device
  const own = `${devicePath}/uio/${node}`
  const up = (path: string) => `-> ${'../'.repeat(devicePath.split('/').length - 2)}${path}`
  const files: Record<string, string> = {
    [`/sys/class/uio/${node}`]: `-> ../..${own.slice('/sys'.length)}`,
    [`${own}/device`]: `-> ../../../${devicePath.split('/').pop()}`,
    [`${own}/name`]: `${name}\n`,
    [`${own}/version`]: '0.01.0\n',
    [`${own}/event`]: `${event}\n`,
    [`${devicePath}/subsystem`]: up(`bus/${subsystem}`),
  }
  if (driver) files[`${devicePath}/driver`] = up(`bus/${subsystem}/drivers/${driver}`)
  for (const [folder, entries] of Object.entries({ maps, portio: ports })) {
    for (const [entry, attributes] of Object.entries(entries)) {
      for (const [file, text] of Object.entries(attributes)) {
        files[`${own}/${folder}/${entry}/${file}`] = `${text}\n`
      }
    }
  }
  return files
}

/** The files of a PCI device. `resource` has a line for each BAR: start, end and flags. */
export function pciFiles(
  address: string,
  device: { id: string; resource: string[]; command?: number; group?: string },
): Recording {
  const folder = `/sys/devices/pci0000:00/${address}`
  const [vendor, id] = device.id.split(':')
  const group = Number.parseInt(address.slice(8, 10), 16)
  const config = new Uint8Array(64)
  new DataView(config.buffer).setUint16(4, device.command ?? 0x0103, true)
  const none = '0x0000000000000000 0x0000000000000000 0x0000000000000000'
  return {
    [`/sys/bus/pci/devices/${address}`]: `-> ../../../devices/pci0000:00/${address}`,
    [`${folder}/vendor`]: `0x${vendor}\n`,
    [`${folder}/device`]: `0x${id}\n`,
    [`${folder}/class`]: '0x00ff00\n',
    [`${folder}/config`]: config,
    [`${folder}/resource`]: Array.from({ length: 13 }, (_, i) => `${device.resource[i] ?? none}\n`).join(''),
    ...(device.group === undefined
      ? {}
      : {
          [`${folder}/iommu_group`]: `-> ../../../kernel/iommu_groups/${group}`,
          [`/sys/kernel/iommu_groups/${group}/type`]: `${device.group}\n`,
        }),
  }
}

/** What 6.12 has of the emulated edu, ivshmem and e1000e under uio_pci_generic, and of a driver with maps of all kinds. */
export function recordedMachine(): Recording {
  const uio = (node: string, address: string, maps: RecordedMap[]) =>
    uioFiles({
      node,
      name: 'uio_pci_generic',
      devicePath: `/sys/devices/pci0000:00/${address}`,
      subsystem: 'pci',
      driver: 'uio_pci_generic',
      maps: Object.fromEntries(maps.map((map, i) => [`map${i}`, { name: address, offset: '0x0', ...map }])),
    })
  return {
    ...pciFiles('0000:00:04.0', {
      id: '1234:11e8',
      resource: ['0x00000000fea00000 0x00000000feafffff 0x0000000000040200'],
      group: 'DMA-FQ',
    }),
    ...uio('uio0', '0000:00:04.0', [{ addr: '0x00000000fea00000', size: '0x0000000000100000' }]),
    ...pciFiles('0000:00:0b.0', {
      id: '1af4:1110',
      resource: [
        '0x00000000febfa000 0x00000000febfa0ff 0x0000000000040200',
        '0x0000000000000000 0x0000000000000000 0x0000000000000000',
        '0x0000000800000000 0x00000008000fffff 0x000000000014220c',
      ],
      command: 0x0507,
      group: 'identity',
    }),
    ...uio('uio1', '0000:00:0b.0', [{ addr: '0x00000000febfa000', size: '0x0000000000001000' }]),
    ...pciFiles('0000:00:0c.0', {
      id: '8086:10d3',
      resource: [
        '0x00000000feba0000 0x00000000febbffff 0x0000000000040200',
        '0x00000000febc0000 0x00000000febdffff 0x0000000000040200',
        '0x000000000000c040 0x000000000000c05f 0x0000000000040101',
        '0x00000000febf0000 0x00000000febf3fff 0x0000000000040200',
      ],
    }),
    ...uio('uio10', '0000:00:0c.0', [
      { addr: '0x00000000feba0000', size: '0x0000000000020000' },
      { addr: '0x00000000febc0000', size: '0x0000000000020000' },
      { addr: '0x00000000febf0000', size: '0x0000000000004000' },
    ]),
    ...uioFiles({
      node: 'uio2',
      name: 'lab_uio',
      devicePath: '/sys/devices/platform/lab_uio',
      subsystem: 'platform',
      driver: 'lab_uio',
      event: '12',
      maps: {
        map0: { name: 'logical', addr: '0xff1100000264e000', size: '0x2000', offset: '0x0' },
        map1: { name: 'later', addr: '0xffffffffffffffff', size: '0x1388', offset: '0x40' },
        map1000: { name: '', addr: '0x00000000fffe0000', size: '0x1000', offset: '0x0' },
      },
      ports: { port0: { name: 'cmos', start: '0x70', size: '0x2', porttype: 'port_x86' } },
    }),
  }
}
