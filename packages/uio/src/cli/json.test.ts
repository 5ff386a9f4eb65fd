import { describe, expect, it } from 'vitest'
import { recordedKernel } from '../../test-support/recorded-kernel'
import { recordedMachine } from '../../test-support/recordings'
import { readUioDevice } from '../discovery/list-devices'
import { toJson } from './json'

const kernel = recordedKernel(recordedMachine())

function printed(node: string): unknown {
  const { devices, ...rest } = JSON.parse(JSON.stringify(toJson([readUioDevice(kernel, node)])))
  expect(rest).toEqual({ schema: 1 })
  expect(devices).toHaveLength(1)
  return devices[0]
}

describe('the JSON of lsuio', () => {
  it('has a PCI device with all of its BARs', () => {
    const resource = '/sys/bus/pci/devices/0000:00:0b.0/resource'
    expect(printed('uio1')).toEqual({
      node: 'uio1',
      number: 1,
      path: '/dev/uio1',
      name: 'uio_pci_generic',
      version: '0.01.0',
      eventCount: 0,
      driver: 'uio_pci_generic',
      devicePath: '/sys/devices/pci0000:00/0000:00:0b.0',
      iommu: { group: '11', type: 'identity', translates: false },
      maps: [
        {
          index: 0,
          name: '0000:00:0b.0',
          address: '0xfebfa000',
          addressKind: 'registers',
          byteLength: 4096,
          byteOffset: 0,
          bar: 0,
          dmaMemory: false,
        },
      ],
      ports: [],
      pci: {
        address: '0000:00:0b.0',
        vendorId: '0x1af4',
        deviceId: '0x1110',
        classCode: '0x00ff00',
        busMaster: true,
        intxDisabled: true,
        bars: [
          {
            index: 0,
            address: '0xfebfa000',
            byteLength: 256,
            kind: 'memory',
            is64Bit: false,
            prefetchable: false,
            map: 0,
            resource: `${resource}0`,
          },
          {
            index: 2,
            address: '0x800000000',
            byteLength: 0x10_0000,
            kind: 'memory',
            is64Bit: true,
            prefetchable: true,
            map: null,
            resource: `${resource}2`,
          },
        ],
      },
    })
  })

  it('has null for what there is not', () => {
    expect(printed('uio2')).toMatchObject({
      iommu: null,
      pci: null,
      maps: [
        { address: '0xff1100000264e000', addressKind: 'kernel-pointer', bar: null },
        { address: '0xffffffffffffffff', addressKind: 'none' },
        { address: '0xfffe0000', dmaMemory: true },
      ],
      ports: [{ index: 0, name: 'cmos', start: '0x70', size: 2, type: 'port_x86' }],
    })
  })
})
