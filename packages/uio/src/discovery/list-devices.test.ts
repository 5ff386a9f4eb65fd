import { describe, expect, it } from 'vitest'
import { recordedKernel } from '../../test-support/recorded-kernel'
import { recordedMachine, uioFiles } from '../../test-support/recordings'
import { listUioDevices, readUioDevice } from './list-devices'

describe('listUioDevices', () => {
  it('lists by number, with everything that sysfs has', () => {
    const kernel = recordedKernel(recordedMachine())
    const devices = listUioDevices({ kernel })
    expect(devices.map(({ node }) => node)).toEqual(['uio0', 'uio1', 'uio2', 'uio10'])
    expect(devices[0]).toEqual({
      node: 'uio0',
      number: 0,
      path: '/dev/uio0',
      name: 'uio_pci_generic',
      version: '0.01.0',
      eventCount: 0,
      driver: 'uio_pci_generic',
      devicePath: '/sys/devices/pci0000:00/0000:00:04.0',
      iommuGroup: '4',
      iommuType: 'DMA-FQ',
      maps: [
        {
          index: 0,
          name: '0000:00:04.0',
          address: 0xfea0_0000n,
          addressKind: 'registers',
          byteLength: 0x10_0000,
          byteOffset: 0,
          bar: 0,
        },
      ],
      ports: [],
      pci: {
        address: '0000:00:04.0',
        vendorId: 0x1234,
        deviceId: 0x11e8,
        classCode: 0x00ff00,
        busMaster: false,
        intxDisabled: false,
        bars: [
          {
            index: 0,
            address: 0xfea0_0000n,
            byteLength: 0x10_0000,
            kind: 'memory',
            is64Bit: false,
            prefetchable: false,
            map: 0,
          },
        ],
      },
    })
    expect(kernel.live().descriptors).toBe(0)
  })

  it('finds BARs by address: the index of a map is another', () => {
    const [, ivshmem, , e1000e] = listUioDevices({ kernel: recordedKernel(recordedMachine()) })
    // BAR 0 has 256 bytes, and its map the page that they are on.
    expect(ivshmem!.pci!.bars.map(({ index, map }) => [index, map])).toEqual([
      [0, 0],
      [2, undefined],
    ])
    expect(ivshmem!.pci).toMatchObject({ busMaster: true, intxDisabled: true })
    expect(e1000e!.maps.map(({ index, bar }) => [index, bar])).toEqual([
      [0, 0],
      [1, 1],
      [2, 3],
    ])
    expect(e1000e!.pci!.bars.map(({ index, kind, map }) => [index, kind, map])).toEqual([
      [0, 'memory', 0],
      [1, 'memory', 1],
      [2, 'io', undefined],
      [3, 'memory', 2],
    ])
  })

  it('is empty without the UIO core', () => {
    expect(listUioDevices({ kernel: recordedKernel({ '/sys/class/net/lo': '' }) })).toEqual([])
  })

  it('reads a class that has directories in place of links', () => {
    const own = '/sys/devices/pci0000:00/0000:00:04.0/uio/uio0'
    const moved = Object.entries(recordedMachine()).flatMap(
      ([path, content]): [string, string | Uint8Array][] => {
        if (path === '/sys/class/uio/uio0') return []
        if (path === `${own}/device`)
          return [['/sys/class/uio/uio0/device', '-> ../../../devices/pci0000:00/0000:00:04.0']]
        return [[path.replace(own, '/sys/class/uio/uio0'), content]]
      },
    )
    const [edu] = listUioDevices({ kernel: recordedKernel(Object.fromEntries(moved)) })
    expect([edu?.node, edu?.pci?.address, edu?.maps[0]?.bar]).toEqual(['uio0', '0000:00:04.0', 0])
  })

  it('leaves a device out that goes away while it is read, at whichever file', () => {
    const whole = recordedMachine()
    const asked: string[] = []
    const watching = recordedKernel((path) => {
      asked.push(path)
      return whole
    })
    listUioDevices({ kernel: watching })
    const gone = Object.fromEntries(Object.entries(whole).filter(([path]) => !path.includes('0000:00:0b.0')))
    const ofSecond = asked.flatMap((path, i) => (/uio1\b|0000:00:0b\.0/.test(path) ? [i] : []))
    expect(ofSecond.length).toBeGreaterThan(15)
    for (const at of ofSecond) {
      let count = 0
      const kernel = recordedKernel(() => (count++ >= at ? gone : whole))
      expect(listUioDevices({ kernel }).map(({ node }) => node)).toEqual(['uio0', 'uio2', 'uio10'])
      expect(kernel.live().descriptors).toBe(0)
    }
  })

  it('leaves a device out that its driver is being taken from: it is still there for a moment', () => {
    const files = Object.entries(recordedMachine()).filter(([path]) => !/0000:00:04\.0\/driver$/.test(path))
    const kernel = recordedKernel(Object.fromEntries(files))
    expect(listUioDevices({ kernel }).map(({ node }) => node)).toEqual(['uio1', 'uio2', 'uio10'])
    expect(() => readUioDevice(kernel, 'uio0')).toThrow(expect.objectContaining({ code: 'DMA_NO_DEVICE' }))
  })

  it('throws what is no device gone', () => {
    const kernel = recordedKernel(recordedMachine())
    const full = Object.assign(kernel, {
      readText() {
        throw Object.assign(new Error('no'), { name: 'DmaError', code: 'EMFILE' })
      },
    })
    expect(() => listUioDevices({ kernel: full })).toThrow(expect.objectContaining({ code: 'EMFILE' }))
    expect(() => listUioDevices({ kernell: full } as object)).toThrow(/no option is called 'kernell'/)
  })

  it('reads ports, a device without maps, and one of the platform', () => {
    const kernel = recordedKernel(recordedMachine())
    expect(readUioDevice(kernel, 'uio2')).toMatchObject({
      maps: [
        { index: 0, addressKind: 'kernel-pointer' },
        { index: 1, addressKind: 'none', byteLength: 5000, byteOffset: 0x40 },
        { index: 1000, addressKind: 'memory', dmaMemory: true },
      ],
      ports: [{ index: 0, name: 'cmos', start: 0x70, size: 2, type: 'port_x86' }],
      pci: undefined,
      driver: 'lab_uio',
      devicePath: '/sys/devices/platform/lab_uio',
      iommuGroup: undefined,
    })
    const silent = uioFiles({
      node: 'uio3',
      name: 'lab_uio_silent',
      devicePath: '/sys/devices/platform/lab_uio_silent',
      subsystem: 'platform',
      event: '4294967295',
    })
    expect(listUioDevices({ kernel: recordedKernel(silent) })).toMatchObject([
      { maps: [], ports: [], driver: undefined, eventCount: 4_294_967_295 },
    ])
  })
})

describe('readUioDevice', () => {
  it('reads one, and says which there are where there is none of that name', () => {
    const kernel = recordedKernel(recordedMachine())
    expect(readUioDevice(kernel, 'uio10').pci?.deviceId).toBe(0x10d3)
    expect(() => readUioDevice(kernel, 'uio7')).toThrow(
      expect.objectContaining({ code: 'DMA_NO_DEVICE', hint: 'there are: uio0, uio1, uio2, uio10' }),
    )
    expect(() => readUioDevice(recordedKernel({}), 'uio0')).toThrow(
      expect.objectContaining({ code: 'DMA_NO_DEVICE', hint: expect.stringContaining('bindDriver') }),
    )
  })
})
