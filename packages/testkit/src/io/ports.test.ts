import { O_RDONLY, O_RDWR } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { PlainDevice } from '../fixtures/plain-device'
import { rawConfig, rawUio } from '../fixtures/raw-uio'
import { openByHand, struct } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'
import type { BarLayout } from '../models/device-model'

class PortDevice extends PlainDevice {
  override readonly bars: readonly BarLayout[] = [
    { byteLength: 0x1000 },
    { byteLength: 0x20, kind: 'io' },
    { byteLength: 0x1000, prefetchable: true },
  ]
}

function plugged() {
  const machine = createFakeMachine()
  const device = machine.addDevice(new PortDevice(), { driver: null })
  const { kernel } = machine
  const folder = `/sys/bus/pci/devices/${device.address}`
  kernel.writeText(`${folder}/enable`, '1')
  return { machine, kernel, device, folder, ports: kernel.open(`${folder}/resource1`, O_RDWR) }
}

describe('a BAR of I/O ports', () => {
  it('is in the configuration space and in sysfs as one', () => {
    const { kernel, device, folder } = plugged()
    const lines = kernel.readText(`${folder}/resource`).split('\n')
    expect(lines[1]).toBe('0x000000000000c000 0x000000000000c01f 0x0000000000040101')
    expect(lines[2]?.slice(-18)).toBe('0x0000000000042208')
    const config = rawConfig(kernel, device.address)
    expect(config.read(0x14)).toBe(0xc001)
    config.write(0x14, 0xffff)
    expect(config.read(0x14)).toBe(0xffe1)
    expect(kernel.list(folder)).toEqual(expect.arrayContaining(['resource2', 'resource2_wc']))
    expect(kernel.list(folder)).not.toContain('resource1_wc')
  })

  it('is read and written 1, 2 or 4 bytes at a time', () => {
    const { kernel, device, ports } = plugged()
    expect(kernel.write(ports, new Uint8Array([1, 2, 3, 4]), 4)).toBe(4)
    expect(kernel.write(ports, new Uint8Array([9]), 6)).toBe(1)
    const bytes = new Uint8Array(4)
    expect([kernel.read(ports, bytes, 4), ...bytes]).toEqual([4, 1, 2, 9, 4])
    kernel.read(ports, bytes.subarray(0, 2), 6)
    expect([...bytes]).toEqual([9, 4, 9, 4])
    expect(device.accesses).toEqual(['write32 1:4', 'write8 1:6', 'read32 1:4', 'read16 1:6'])
    const rows: [count: number, position: number, read: string, write: string][] = [
      [3, 0, 'EINVAL', 'EINVAL'],
      [8, 0, 'EINVAL', 'EINVAL'],
      // What goes beyond the end is cut off first.
      [4, 30, 'OK(2)', 'OK(2)'],
      [4, 29, 'EINVAL', 'EINVAL'],
      [1, 32, 'OK(0)', 'EFBIG'],
    ]
    for (const [count, position, read, write] of rows) {
      const buffer = new Uint8Array(count)
      expect([
        count,
        position,
        outcome(() => kernel.read(ports, buffer, position)),
        outcome(() => kernel.write(ports, buffer, position)),
      ]).toEqual([count, position, read, write])
    }
    expect(outcome(() => kernel.mapRegisters(ports, { byteLength: 16 }))).toBe('ENODEV')
  })

  it('reads as ones while the command register has ports off', () => {
    const { kernel, device, ports } = plugged()
    rawConfig(kernel, device.address).write(4, 0x0102)
    const bytes = new Uint8Array(4)
    kernel.write(ports, bytes, 0)
    kernel.read(ports, bytes, 0)
    expect([[...bytes], device.accesses]).toEqual([[0xff, 0xff, 0xff, 0xff], []])
  })

  it('is hidden by uio_pci_generic, and not mapped by VFIO', () => {
    const machine = createFakeMachine()
    machine.addDevice(new PortDevice(), { driver: 'uio_pci_generic' })
    expect(machine.kernel.list('/sys/class/uio/uio0/maps')).toEqual(['map0'])
    const device = machine.addDevice(new PortDevice())
    const { kernel, call, device: fd } = openByHand(machine, device.address)
    const info = struct(32, 0, 1, 0, 0n, 0n)
    call(fd, 'VFIO_DEVICE_GET_REGION_INFO', info)
    expect(new DataView(info.buffer).getUint32(4, true)).toBe(3)
    expect(outcome(() => kernel.mapRegisters(fd, { byteLength: 0x20, position: 2 ** 40 }))).toBe('EINVAL')
    const bytes = new Uint8Array(4)
    // Ports are off, which is no failure to VFIO: nobody answers.
    expect([kernel.read(fd, bytes, 2 ** 40), ...bytes]).toEqual([4, 0xff, 0xff, 0xff, 0xff])
    kernel.write(fd, new Uint8Array([0x07, 0x01]), 7 * 2 ** 40 + 4)
    expect(kernel.read(fd, bytes, 2 ** 40)).toBe(4)
    expect(device.accesses).toEqual(['read32 1:0'])
  })

  it('refuses layouts that no device has', () => {
    for (const bar of [
      { byteLength: 512, kind: 'io' },
      { byteLength: 2, kind: 'io' },
      { byteLength: 32, kind: 'io', addressWidth: 64 },
      { byteLength: 32, kind: 'io', prefetchable: true },
    ] as BarLayout[]) {
      class Odd extends PlainDevice {
        override readonly bars = [bar]
      }
      expect(outcome(() => createFakeMachine().addDevice(new Odd()))).toBe('DMA_INVALID_ARGUMENT')
    }
  })
})

describe('/dev/port', () => {
  it('reaches ports byte by byte: those of BARs, of UIO drivers, and of nobody', () => {
    const { machine, kernel, device } = plugged()
    const written: number[][] = []
    machine.registerUio({
      name: 'clock',
      version: '1',
      port: [
        {
          name: 'cmos',
          start: 0x70,
          size: 2,
          porttype: 'port_x86',
          read: (port) => port + 1,
          write: (port, value) => written.push([port, value]),
        },
      ],
    })
    const { text } = rawUio(kernel)
    expect(['name', 'start', 'size', 'porttype'].map((file) => text(`portio/port0/${file}`))).toEqual([
      'cmos',
      '0x70',
      '0x2',
      'port_x86',
    ])
    const fd = kernel.open('/dev/port', O_RDWR)
    const bytes = new Uint8Array(4)
    expect([kernel.read(fd, bytes, 0x6f), ...bytes]).toEqual([4, 0xff, 0x71, 0x72, 0xff])
    kernel.write(fd, new Uint8Array([5]), 0x71)
    expect(written).toEqual([[0x71, 5]])
    kernel.write(fd, new Uint8Array([1, 2]), 0xc004)
    expect(device.accesses).toEqual(['write8 1:4', 'write8 1:5'])
    expect([kernel.read(fd, bytes, 65534), kernel.read(fd, bytes, 65536)]).toEqual([2, 0])
    machine.removeDevice(device)
    kernel.read(fd, bytes, 0xc004)
    expect(bytes[0]).toBe(0xff)
    kernel.writeText('/sys/devices/platform/clock/driver/unbind', 'clock')
    kernel.read(fd, bytes, 0x70)
    expect(bytes[0]).toBe(0xff)
  })

  it('is for those who may use ports', () => {
    const machine = createFakeMachine({ uid: 1000 })
    const open = () => outcome(() => machine.kernel.open('/dev/port', O_RDWR))
    expect(open()).toBe('EACCES')
    machine.chown('/dev/port', 1000)
    expect(open()).toBe('EPERM')
    machine.setCapabilities(['CAP_SYS_RAWIO'])
    expect(open()).toBe('OK(3)')
  })
})

it('a BAR in memory space is mapped, not read', () => {
  const { kernel, folder } = plugged()
  const fd = kernel.open(`${folder}/resource0`, O_RDWR)
  const bytes = new Uint8Array(4)
  expect([outcome(() => kernel.read(fd, bytes)), outcome(() => kernel.write(fd, bytes))]).toEqual([
    'EIO',
    'EIO',
  ])
  expect(kernel.read(fd, bytes, 0x1000)).toBe(0)
  expect(
    outcome(() => kernel.mapRegisters(kernel.open(`${folder}/resource0`, O_RDONLY), { byteLength: 8 })),
  ).toBe('EACCES')
})
