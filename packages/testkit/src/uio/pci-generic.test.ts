import { O_RDWR } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { PlainDevice } from '../fixtures/plain-device'
import { rawConfig, rawUio } from '../fixtures/raw-uio'
import { openByHand } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'
import type { BarLayout } from '../models/device-model'
import { EduDevice } from '../models/edu'

const master = 0x0107

class ManyBars extends PlainDevice {
  override readonly bars: readonly BarLayout[] = [
    { byteLength: 0x4000, index: 5 },
    { byteLength: 0x1000, index: 0, prefetchable: true },
    { byteLength: 0x20, index: 1, kind: 'io' },
    { byteLength: 0x4000, index: 4 },
    { byteLength: 0x2000, index: 2, addressWidth: 64 },
  ]
}

class NoPin extends PlainDevice {
  override readonly interrupts = { pin: false }
}

class OldPin extends PlainDevice {
  override readonly interrupts = { pinMaskable: false }
}

function opened(device = new EduDevice({ dmaMask: 0xffff_ffffn }), iommu: 'on' | 'off' = 'off') {
  const machine = createFakeMachine({ iommu })
  machine.addDevice(device, { driver: 'uio_pci_generic' })
  const { kernel } = machine
  const uio = rawUio(kernel)
  const fd = uio.open()
  const registers = kernel.mapRegisters(fd, { byteLength: 0x1000 })
  return { machine, kernel, device, uio, fd, registers, config: rawConfig(kernel, device.address) }
}

describe('uio_pci_generic', () => {
  it('shows BARs 0 to 4 that are 32 bits wide, in memory space and not prefetchable', () => {
    const machine = createFakeMachine()
    machine.addDevice(new ManyBars(), { driver: 'uio_pci_generic' })
    const { text } = rawUio(machine.kernel)
    expect(machine.kernel.list('/sys/class/uio/uio0/maps')).toEqual(['map0'])
    expect(text('maps/map0/size')).toBe('0x0000000000004000')
    expect(machine.kernel.readLink('/sys/class/uio/uio0')).toBe(
      '../../devices/pci0000:00/0000:00:04.0/uio/uio0',
    )
    expect(machine.kernel.readLink('/sys/class/uio/uio0/device')).toBe('../../../0000:00:04.0')
    expect(text('device/vendor')).toBe('0xcafe')
  })

  it('offers a BAR that is smaller than a page with the rest of its page', () => {
    class Small extends PlainDevice {
      override readonly bars = [{ byteLength: 0x100 }]
    }
    const { uio, kernel, fd } = opened(new Small() as never)
    expect(uio.text('maps/map0/size')).toBe('0x0000000000001000')
    expect(uio.text('maps/map0/offset')).toBe('0x0')
    expect(outcome(() => kernel.mapRegisters(fd, { byteLength: 8192 }))).toBe('EINVAL')
  })

  it('takes a device without an interrupt, and none whose pin cannot be switched off', async () => {
    const machine = createFakeMachine()
    const { address } = machine.addDevice(new NoPin(), { driver: 'uio_pci_generic' })
    const { open, read, write, text } = rawUio(machine.kernel)
    expect(machine.kernel.readText(`/sys/bus/pci/devices/${address}/irq`)).toBe('0\n')
    const fd = open()
    expect([outcome(() => read(fd)), outcome(() => write(fd, 1))]).toEqual(['EIO', 'EIO'])
    expect(await machine.kernel.poll(fd, 1)).toBe(0x19)
    expect(text('name')).toBe('uio_pci_generic')
    expect(outcome(() => machine.addDevice(new OldPin(), { driver: 'uio_pci_generic' }))).toBe('ENODEV')
    expect(machine.kernel.list('/sys/class/uio')).toEqual(['uio0'])
  })

  it('enables the device and leaves it, with bus mastering off', () => {
    const { kernel, device, config, fd, registers } = opened()
    const folder = `/sys/bus/pci/devices/${device.address}`
    expect(kernel.readText(`${folder}/enable`)).toBe('1\n')
    config.write(4, master)
    kernel.writeText(`${folder}/driver/unbind`, device.address)
    expect([kernel.readText(`${folder}/enable`), config.read(4)]).toEqual(['0\n', 0x0103])
    registers.close()
    kernel.close(fd)
  })

  it('counts a line that is up when the driver is bound', () => {
    const machine = createFakeMachine()
    const device = machine.addDevice(new PlainDevice(), { driver: null })
    device.interrupt(0)
    const folder = `/sys/bus/pci/devices/${device.address}`
    machine.kernel.writeText(`${folder}/driver_override`, 'uio_pci_generic')
    machine.kernel.writeText('/sys/bus/pci/drivers_probe', device.address)
    expect(rawUio(machine.kernel).text('event')).toBe('1')
  })

  it('keeps the group of its device from VFIO, and gets none that VFIO has', () => {
    const machine = createFakeMachine()
    const first = machine.addDevice(new PlainDevice(), { group: 1 })
    const second = machine.addDevice(new PlainDevice(), { group: 1, driver: 'uio_pci_generic' })
    expect(outcome(() => openByHand(machine, first.address))).toBe('EPERM')
    for (const fd of [3, 4]) machine.kernel.close(fd)
    machine.kernel.writeText(`/sys/bus/pci/devices/${second.address}/driver/unbind`, second.address)
    openByHand(machine, first.address)
    const bind = () => machine.kernel.writeText('/sys/bus/pci/drivers/uio_pci_generic/bind', second.address)
    expect(outcome(bind)).toBe('EBUSY')
  })

  it('loses a device that is pulled out', () => {
    const { machine, kernel, device, fd, uio, registers } = opened()
    machine.removeDevice(device)
    expect(registers.read32(0)).toBe(0xffff_ffff)
    expect(outcome(() => uio.read(fd))).toBe('EIO')
    expect(kernel.list('/sys/class/uio')).toEqual([])
    expect(kernel.list('/sys/bus/pci/drivers/uio_pci_generic')).not.toContain(device.address)
  })

  it('hears of no open that fails for the want of a descriptor', () => {
    const { machine, kernel, uio, config, fd } = opened()
    config.write(4, master)
    machine.setOpenFileLimit(4)
    expect(outcome(() => uio.open())).toBe('EMFILE')
    machine.setOpenFileLimit(1024)
    expect(config.read(4)).toBe(master)
    // A mapping keeps a file open: its close is the last one.
    kernel.close(fd)
    expect(config.read(4)).toBe(master)
  })
})

describe('DMA of a device on UIO', () => {
  const transfer = ({ registers, machine }: ReturnType<typeof opened>, address: number) => {
    registers.write32(0x80, address)
    registers.write32(0x88, 0x40000)
    registers.write32(0x90, 8)
    registers.write32(0x98, 1)
    machine.clock.advance(200)
  }

  it('does nothing while bus mastering is off, and reaches physical addresses while it is on', () => {
    const session = opened()
    const { machine, config, registers } = session
    const memory = machine.registerUio({
      name: 'memory',
      version: '1',
      mem: [{ memtype: 'dma-coherent', byteLength: 4096 }],
    })
    memory.bytes(0).set([1, 2, 3, 4, 5, 6, 7, 8])
    const back = () => {
      registers.write32(0x80, 0x40000)
      registers.write32(0x88, memory.dmaAddress(0) + 8)
      registers.write32(0x98, 3)
      machine.clock.advance(200)
      return [...memory.bytes(0).subarray(8, 16)]
    }
    transfer(session, memory.dmaAddress(0))
    expect(back()).toEqual([0, 0, 0, 0, 0, 0, 0, 0])
    config.write(4, master)
    transfer(session, memory.dmaAddress(0))
    expect(back()).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(machine.faults).toEqual([])
  })

  it('is refused by an IOMMU that was told of nothing', () => {
    const session = opened(new EduDevice({ dmaMask: 0xffff_ffffn }), 'on')
    session.config.write(4, master)
    transfer(session, 0x2640000)
    expect(session.machine.faults).toMatchObject([{ address: 0x2640000, byteLength: 8, direction: 'read' }])
  })
})

it('reports open files, and mappings that keep them open', () => {
  const { machine, kernel, fd, registers } = opened()
  expect(() => machine.assertQuiescent()).toThrow('of /dev/uio0, opened at')
  kernel.close(fd)
  expect(() => machine.assertQuiescent()).toThrow('register window on BAR 0 of 0000:00:04.0')
  registers.close()
  machine.assertQuiescent()
})

it('is in sysfs and /dev for those who may', () => {
  const machine = createFakeMachine({ uid: 1000 })
  machine.addDevice(new EduDevice(), { driver: 'uio_pci_generic' })
  const open = () => outcome(() => machine.kernel.open('/dev/uio0', O_RDWR))
  expect(open()).toBe('EACCES')
  machine.chown('/dev/uio0', 1000)
  expect(open()).toBe('OK(3)')
})
