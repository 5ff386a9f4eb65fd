import assert from 'node:assert/strict'
import type { Kernel } from '@linux-dma/core'
import { bindDriver, findBar, openSysfsBar, PCI_DEVICES, readPciDevice } from '@linux-dma/pci'
import { findUioDevice, listUioDevices, type UioDeviceInfo } from '@linux-dma/uio'
import type { Host, Runner } from '../host'
import { AHCI_VERSION, E1000E_RECEIVE_ADDRESS } from '../pci-models'
import { refusal, withoutLeaks } from '../with-device'
import { BUS_MASTER, commandOf, INTX_DISABLE, withUioBound, writeCommand } from '../with-uio'

/** What sysfs tells of UIO devices: which map is which BAR, and what UIO hides. */
export function uioDiscovery({ describe, it }: Runner, host: Host): void {
  const { kernel, edu } = host
  const pciDevices = () => listUioDevices({ kernel }).filter(({ pci }) => pci !== undefined)

  describe('uio discovery', () => {
    it('has one device for each that a UIO driver has, and none else', () =>
      withoutLeaks(host, async () => {
        assert.deepEqual(pciDevices(), [])
        await withUioBound(host, edu, async ({ node }) => {
          await withUioBound(host, host.wideEdu, (other) => {
            const found = pciDevices().map((device) => [device.node, device.pci?.address])
            assert.deepEqual(
              found,
              [
                [node, edu],
                [other.node, host.wideEdu],
              ].sort(),
            )
          })
          assert.equal(pciDevices().length, 1)
        })
        assert.deepEqual(pciDevices(), [])
      }))

    it('tells all of edu', () =>
      withUioBound(host, edu, (info) => {
        const { maps, pci, iommuGroup, iommuType, devicePath, number, ...rest } = info
        assert.deepEqual(rest, {
          node: `uio${number}`,
          path: `/dev/uio${number}`,
          name: 'uio_pci_generic',
          version: '0.01.0',
          eventCount: 0,
          driver: 'uio_pci_generic',
          ports: [],
        })
        assert.equal(devicePath, `/sys/devices/pci0000:00/${edu}`)
        assert.deepEqual([iommuGroup, iommuType], [readPciDevice(kernel, edu).iommuGroup, 'DMA-FQ'])
        const { address, ...bar } = pci!.bars[0]!
        assert.deepEqual(maps, [
          {
            index: 0,
            name: edu,
            address,
            addressKind: 'registers',
            byteLength: 0x10_0000,
            byteOffset: 0,
            bar: 0,
          },
        ])
        assert.deepEqual(
          { ...pci, bars: [bar] },
          {
            address: edu,
            vendorId: 0x1234,
            deviceId: 0x11e8,
            classCode: 0x00ff00,
            busMaster: false,
            intxDisabled: false,
            bars: [
              {
                index: 0,
                byteLength: 0x10_0000,
                kind: 'memory',
                is64Bit: false,
                prefetchable: false,
                map: 0,
              },
            ],
          },
        )
      }))

    it('sees bus mastering and the masked pin as they are', () =>
      withUioBound(host, edu, () => {
        const command = commandOf(host)
        const seen = () => {
          const { busMaster, intxDisabled } = findUioDevice(kernel, { pci: edu }).pci!
          return [busMaster, intxDisabled]
        }
        writeCommand(host, command | BUS_MASTER)
        assert.deepEqual(seen(), [true, false])
        writeCommand(host, command | INTX_DISABLE)
        assert.deepEqual(seen(), [false, true])
        writeCommand(host, command)
        assert.deepEqual(seen(), [false, false])
      }))

    it('finds the BAR of each map of a network card, and the ports that no map shows', () =>
      withUioBound(host, find(kernel, '0x8086', '0x10d3'), (info) => {
        assert.deepEqual(
          info.maps.map(({ index, bar, addressKind }) => [index, bar, addressKind]),
          [
            [0, 0, 'registers'],
            [1, 1, 'registers'],
            [2, 3, 'registers'],
          ],
        )
        assert.deepEqual(
          info.pci!.bars.slice(0, 4).map(({ index, kind, map }) => [index, kind, map]),
          [
            [0, 'memory', 0],
            [1, 'memory', 1],
            [2, 'io', undefined],
            [3, 'memory', 2],
          ],
        )
      }))

    it('reaches the same register through a BAR of memory and a BAR of ports', () =>
      withUioBound(host, find(kernel, '0x8086', '0x10d3'), ({ pci }) => {
        const registers = openBar(kernel, pci!, 0)
        const ports = openBar(kernel, pci!, 2)
        registers.write32(E1000E_RECEIVE_ADDRESS, 0x1234_5678)
        ports.write32(0, E1000E_RECEIVE_ADDRESS)
        assert.deepEqual([ports.read32(0), ports.read32(4)], [E1000E_RECEIVE_ADDRESS, 0x1234_5678])
        ports.write32(4, 0x8765_4321)
        assert.equal(registers.read32(E1000E_RECEIVE_ADDRESS), 0x8765_4321)
        refusal(() => ports.read64(0), 'DMA_UNSUPPORTED')
        for (const region of [registers, ports]) region.close()
      }))

    it('knows of memory in a BAR that UIO hides, where sysfs has it', () =>
      withUioBound(host, find(kernel, '0x1af4', '0x1110'), ({ maps, pci }) => {
        assert.deepEqual(
          maps.map(({ index, bar }) => [index, bar]),
          [[0, 0]],
        )
        const { map, is64Bit, prefetchable, kind } = findBar(pci!.address, pci!.bars, 2) as UioBar
        assert.deepEqual([map, is64Bit, prefetchable, kind], [undefined, true, true, 'memory'])
        const memory = openBar(kernel, pci!, 2)
        const last = memory.byteLength - 4
        memory.write32(0, 0x600d_f00d)
        memory.write32(last, 0x0bad_cafe)
        assert.deepEqual([memory.read32(0), memory.read32(last)], [0x600d_f00d, 0x0bad_cafe])
        memory.close()
      }))

    it('has no map at all for a controller whose registers are in BAR 5', () =>
      withUioBound(host, find(kernel, '0x8086', '0x2922'), ({ maps, pci }) => {
        assert.deepEqual(maps, [])
        assert.deepEqual(
          pci!.bars.map(({ index, kind, map }) => [index, kind, map]),
          [
            [4, 'io', undefined],
            [5, 'memory', undefined],
          ],
        )
        const registers = openBar(kernel, pci!, 5)
        assert.equal(registers.read32(AHCI_VERSION), 0x0001_0000)
        registers.close()
      }))

    it('finds a device by node, name and PCI address, and says why it cannot', () =>
      withUioBound(host, edu, async ({ node, path, number }) => {
        for (const selector of [node, path, number, { name: 'uio_pci_generic' }, { pci: edu.slice(5) }]) {
          assert.equal(findUioDevice(kernel, selector).pci?.address, edu)
        }
        refusal(() => findUioDevice(kernel, 'uio99'), 'DMA_NO_DEVICE', new RegExp(`there are: .*${node}`))
        refusal(() => findUioDevice(kernel, { name: 'edu' }), 'DMA_NO_DEVICE', /there are: .*uio_pci_generic/)
        refusal(() => findUioDevice(kernel, { pci: host.wideEdu }), 'DMA_NOT_BOUND', /bindDriver/)
        refusal(() => findUioDevice(kernel, { pci: '0000:00:1e.7' }), 'DMA_NO_DEVICE')
        await withUioBound(host, host.wideEdu, () => {
          refusal(() => findUioDevice(kernel, { name: 'uio_pci_generic' }), 'DMA_AMBIGUOUS', /pci:/)
        })
      }))

    it('forgets a device that is unbound', () =>
      withUioBound(host, edu, ({ node }) => {
        assert.equal(bindDriver(edu, null, { kernel }), 'uio_pci_generic')
        assert.deepEqual(pciDevices(), [])
        refusal(() => findUioDevice(kernel, node), 'DMA_NO_DEVICE')
      }))
  })
}

/** The drivers that are not of PCI devices: what the numbers in their maps are. */
export function uioDiscoveryDrivers({ describe, it }: Runner, host: Host): void {
  const { kernel, uio } = host
  const device = (name: string) => findUioDevice(kernel, { name })
  const kinds = (info: UioDeviceInfo) => info.maps.map(({ addressKind }) => addressKind)

  describe('uio drivers discovery', () => {
    it('tells memory of the kernel from registers, and has ports', () => {
      const { maps, ports, driver, pci, devicePath } = device('lab_uio')
      assert.deepEqual(
        maps.map(({ name, addressKind, byteLength, byteOffset }) => [
          name,
          addressKind,
          byteLength,
          byteOffset,
        ]),
        [
          ['logical', 'kernel-pointer', 8192, 0],
          ['virtual', 'kernel-pointer', 5000, 0x40],
          ['coherent', 'kernel-pointer', 16384, 0],
        ],
      )
      assert.deepEqual(ports, [{ index: 0, name: 'cmos', start: 0x70, size: 2, type: 'port_x86' }])
      assert.deepEqual([driver, pci, devicePath], ['lab_uio', undefined, '/sys/devices/platform/lab_uio'])
    })

    it('has a device without maps, ports and interrupts', () => {
      const { maps, ports, eventCount, version } = device('lab_uio_silent')
      assert.deepEqual([maps, ports, eventCount, version], [[], [], 0, '1'])
    })

    it('counts events', () => {
      const before = device('lab_uio').eventCount
      uio.notify(1000)
      assert.equal(device('lab_uio').eventCount - before, 1000)
    })

    it('knows registers of a platform device from /proc/iomem', () => {
      uio.addPdrv()
      try {
        const info = listUioDevices({ kernel }).find(({ driver }) => driver === 'uio_pdrv_genirq')!
        assert.deepEqual(
          [kinds(info), info.maps[0]?.byteLength, info.pci],
          [['registers'], 0x10_0000, undefined],
        )
      } finally {
        uio.removePlatformEdu()
      }
    })

    for (const [behaviour, whileOpen] of [
      ['old', 'memory'],
      ['new', 'kernel-pointer'],
    ] as const) {
      it(`knows what uio_dmem_genirq shows of its regions: the ${behaviour} way`, () => {
        uio.addDmem(behaviour)
        try {
          const find = () => listUioDevices({ kernel }).find(({ driver }) => driver === 'uio_dmem_genirq')!
          assert.deepEqual(kinds(find()), ['registers', 'none', 'none'])
          const fd = kernel.open(find().path, 2)
          assert.deepEqual(kinds(find()), ['registers', whileOpen, whileOpen])
          kernel.close(fd)
          assert.deepEqual(kinds(find()), ['registers', 'none', 'none'])
        } finally {
          uio.removePlatformEdu()
        }
      })
    }
  })
}

type UioBar = NonNullable<UioDeviceInfo['pci']>['bars'][number]

/** The first device of a kind. */
function find(kernel: Kernel, vendor: string, device: string): string {
  const id = (address: string, file: string) => kernel.readText(`${PCI_DEVICES}/${address}/${file}`).trim()
  const found = kernel
    .list(PCI_DEVICES)
    .find((address) => id(address, 'vendor') === vendor && id(address, 'device') === device)
  assert.ok(found, `a device ${vendor}:${device} has to be there`)
  return found
}

function openBar(kernel: Kernel, { address, bars }: NonNullable<UioDeviceInfo['pci']>, index: number) {
  // The driver that has the device has it enabled.
  return openSysfsBar(kernel, address, findBar(address, bars, index), undefined, () => {}).region
}
