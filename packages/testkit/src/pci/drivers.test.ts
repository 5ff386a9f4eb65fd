import { O_RDWR } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { PlainDevice } from '../fixtures/plain-device'
import { closeByHand, openByHand } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'

const drivers = '/sys/bus/pci/drivers'

function machineWith(driver: string | null) {
  const machine = createFakeMachine()
  const { address } = machine.addDevice(new PlainDevice(), { driver })
  const path = `/sys/bus/pci/devices/${address}`
  const { kernel } = machine
  const bound = () => {
    const link = outcome(() => kernel.readLink(`${path}/driver`))
    return link === 'ENOENT' ? null : /([^/]+)\)$/.exec(link)![1]
  }
  return { machine, kernel, address, path, bound }
}

describe('sysfs of a device', () => {
  it('has the files and links that Linux has, in its words', () => {
    const { kernel, path, address } = machineWith('vfio-pci')
    const texts = ['vendor', 'device', 'class', 'revision', 'subsystem_vendor', 'subsystem_device', 'enable']
    expect(texts.map((name) => kernel.readText(`${path}/${name}`))).toEqual([
      '0xcafe\n',
      '0x0001\n',
      '0x020000\n',
      '0x03\n',
      '0x1af4\n',
      '0x1100\n',
      '0\n',
    ])
    expect(kernel.readLink(path)).toBe(`../../../devices/pci0000:00/${address}`)
    expect(kernel.readLink(`${path}/driver`)).toBe('../../../bus/pci/drivers/vfio-pci')
    expect(kernel.readLink(`${path}/iommu_group`)).toBe('../../../kernel/iommu_groups/1')
    expect(kernel.readLink(`${drivers}/vfio-pci/${address}`)).toBe(
      `../../../../devices/pci0000:00/${address}`,
    )
    expect(kernel.list('/sys/kernel/iommu_groups/1/devices')).toEqual([address])
    expect(kernel.readText('/sys/kernel/iommu_groups/1/reserved_regions')).toContain('msi')
  })

  it('has no group where there is no IOMMU', () => {
    const machine = createFakeMachine({ iommu: 'off' })
    const { address } = machine.addDevice(new PlainDevice())
    expect(outcome(() => machine.kernel.readLink(`/sys/bus/pci/devices/${address}/iommu_group`))).toBe(
      'ENOENT',
    )
    expect(outcome(() => machine.kernel.readLink(`/sys/bus/pci/devices/${address}/driver`))).toBe('ENOENT')
    expect(machine.kernel.list('/dev/vfio')).toEqual(['vfio'])
    expect(outcome(() => machine.groupNode(address))).toBe('DMA_INVALID_ARGUMENT')
  })

  it('enables a device that no driver has', () => {
    const { kernel, path } = machineWith(null)
    kernel.writeText(`${path}/enable`, '1')
    expect(kernel.readText(`${path}/enable`)).toBe('1\n')
    kernel.writeText(`${path}/enable`, '0\n')
    expect(outcome(() => kernel.writeText(`${path}/enable`, '0'))).toBe('EIO')
    expect(outcome(() => kernel.writeText(`${path}/enable`, 'on'))).toBe('EINVAL')
    const bound = machineWith('ahci')
    expect(outcome(() => bound.kernel.writeText(`${bound.path}/enable`, '1'))).toBe('EBUSY')
    expect(bound.kernel.readText(`${bound.path}/enable`)).toBe('1\n')
  })
})

describe('binding', () => {
  it('goes by driver_override and drivers_probe', () => {
    const { kernel, path, address, bound } = machineWith(null)
    expect(kernel.readText(`${path}/driver_override`)).toBe('(null)\n')
    kernel.writeText('/sys/bus/pci/drivers_probe', address)
    expect(bound()).toBeNull()
    kernel.writeText(`${path}/driver_override`, 'vfio-pci\n')
    expect(kernel.readText(`${path}/driver_override`)).toBe('vfio-pci\n')
    expect(kernel.list('/dev/vfio')).toEqual(['vfio'])
    kernel.writeText('/sys/bus/pci/drivers_probe', `${address}\n`)
    expect(bound()).toBe('vfio-pci')
    expect(kernel.list('/dev/vfio')).toEqual(['1', 'vfio'])
    kernel.writeText('/sys/bus/pci/drivers_probe', address)
    kernel.writeText(`${path}/driver/unbind`, address)
    expect(bound()).toBeNull()
    expect(kernel.list('/dev/vfio')).toEqual(['vfio'])
    expect(kernel.list(`${drivers}/vfio-pci`)).toEqual(['bind', 'new_id', 'unbind'])
    kernel.writeText(`${path}/driver_override`, '\n')
    expect(kernel.readText(`${path}/driver_override`)).toBe('(null)\n')
  })

  it('goes by bind and new_id', () => {
    const { kernel, address, bound } = machineWith(null)
    expect(outcome(() => kernel.writeText(`${drivers}/vfio-pci/bind`, address))).toBe('ENODEV')
    kernel.writeText(`${drivers}/vfio-pci/new_id`, 'cafe 0001')
    expect(bound()).toBe('vfio-pci')
    expect(outcome(() => kernel.writeText(`${drivers}/vfio-pci/bind`, address))).toBe('EBUSY')
    expect(outcome(() => kernel.writeText(`${drivers}/vfio-pci/new_id`, 'cafe 0001'))).toBe('EEXIST')
    expect(outcome(() => kernel.writeText(`${drivers}/vfio-pci/new_id`, 'cafe'))).toBe('EINVAL')
  })

  it('gives a device back to the driver that had it', () => {
    const { kernel, path, address, bound } = machineWith('ahci')
    expect(bound()).toBe('ahci')
    kernel.writeText(`${path}/driver/unbind`, address)
    kernel.writeText('/sys/bus/pci/drivers_probe', address)
    expect(bound()).toBe('ahci')
    expect(outcome(() => kernel.writeText(`${drivers}/vfio-pci/unbind`, address))).toBe('ENODEV')
    expect(outcome(() => kernel.writeText('/sys/bus/pci/drivers_probe', '0000:09:00.0'))).toBe('ENODEV')
    expect(outcome(() => kernel.writeText(`${drivers}/ahci/bind`, '0000:09:00.0'))).toBe('ENODEV')
  })

  it('to vfio-pci fails without an IOMMU, and drivers_probe does not say so', () => {
    const machine = createFakeMachine({ iommu: 'off' })
    const { address } = machine.addDevice(new PlainDevice())
    const { kernel } = machine
    kernel.writeText(`/sys/bus/pci/devices/${address}/driver_override`, 'vfio-pci')
    expect(outcome(() => kernel.writeText(`${drivers}/vfio-pci/bind`, address))).toBe('EINVAL')
    kernel.writeText('/sys/bus/pci/drivers_probe', address)
    expect(outcome(() => kernel.readLink(`/sys/bus/pci/devices/${address}/driver`))).toBe('ENOENT')
  })

  it('is for root', () => {
    const { machine, kernel, path, address } = machineWith('vfio-pci')
    machine.setUid(1000)
    expect(outcome(() => kernel.writeText(`${path}/driver_override`, 'x'))).toBe('EACCES')
    expect(outcome(() => kernel.writeText(`${path}/driver/unbind`, address))).toBe('EACCES')
  })

  it('waits for a program that has the device: the fake says EBUSY, and asks it to let go', () => {
    const { machine, kernel, path, address } = machineWith('vfio-pci')
    const session = openByHand(machine, address)
    const request = kernel.eventfd()
    session.setIrqs(session.device, 0x24, 4, 0, 1, request)
    expect(outcome(() => kernel.writeText(`${path}/driver/unbind`, address))).toBe('EBUSY')
    expect(kernel.read(request, new Uint8Array(8))).toBe(8)
    closeByHand(session)
    expect(outcome(() => kernel.writeText(`${path}/driver/unbind`, address))).toBe('OK(0)')
  })
})

describe('files of a device that is pulled out', () => {
  it('answer ENODEV to those who have them open', () => {
    const machine = createFakeMachine()
    const { kernel } = machine
    const device = machine.addDevice(new PlainDevice(), { driver: null })
    const open = (name: string, flags: number) =>
      kernel.open(`/sys/bus/pci/devices/${device.address}/${name}`, flags)
    const [config, resource, vendor] = [open('config', 2), open('resource0', 2), open('vendor', 0)]
    const window = kernel.mapRegisters(resource, { byteLength: 4096 })
    machine.removeDevice(device)
    const bytes = new Uint8Array(4)
    for (const call of [
      () => kernel.read(config, bytes, 0),
      () => kernel.read(config, bytes, 5000),
      () => kernel.write(config, bytes, 4),
      () => kernel.read(vendor, bytes, 0),
      () => kernel.read(resource, bytes, 0),
      () => kernel.write(resource, bytes, 0),
      () => kernel.mapRegisters(resource, { byteLength: 4096 }),
    ]) {
      expect(outcome(call)).toBe('ENODEV')
    }
    expect(window.read32(0)).toBe(0xffff_ffff)
  })
})

describe('a device that its driver refuses', () => {
  it('is not plugged in, and can be without that driver', () => {
    class OldPin extends PlainDevice {
      override readonly interrupts = { pinMaskable: false }
    }
    const machine = createFakeMachine()
    const { kernel } = machine
    const device = new OldPin()
    const address = '0000:00:04.0'
    const plug = (driver: string | null) => outcome(() => machine.addDevice(device, { address, driver }))
    expect(plug('uio_pci_generic')).toBe('ENODEV')
    expect(kernel.list('/sys/bus/pci/devices')).toEqual([])
    expect(outcome(() => device.address)).toBe('DMA_NOT_ATTACHED')
    expect(plug(null)).toContain('OK')
    expect(kernel.list('/sys/bus/pci/devices')).toEqual([address])
    const alone = new PlainDevice()
    const options = { name: 'alone', driver: 'uio_dmem_genirq', interrupt: false } as const
    expect(outcome(() => machine.addPlatformDevice(alone, options))).toBe('ENXIO')
    expect(kernel.list('/sys/bus/platform/devices')).toEqual([])
    expect(outcome(() => machine.addPlatformDevice(alone, { name: 'alone' }))).toContain('OK')
  })
})

describe('groups of several devices', () => {
  function pair(otherDriver: string | null) {
    const machine = createFakeMachine()
    const first = machine.addDevice(new PlainDevice(), { group: 7 })
    const second = machine.addDevice(new PlainDevice(), { group: 7, driver: otherDriver })
    return { machine, kernel: machine.kernel, first, second }
  }

  it('can be had while the other device has no driver', () => {
    const { machine, first } = pair(null)
    closeByHand(openByHand(machine, first.address))
  })

  it('cannot while another driver has it', () => {
    const { machine, first } = pair('ahci')
    expect(outcome(() => openByHand(machine, first.address))).toBe('EPERM')
  })

  it('keep other drivers out while VFIO has them', () => {
    const { machine, kernel, first, second } = pair(null)
    const session = openByHand(machine, first.address)
    kernel.writeText(`/sys/bus/pci/devices/${second.address}/driver_override`, 'uio_pci_generic')
    const bind = () => kernel.writeText(`${drivers}/uio_pci_generic/bind`, second.address)
    expect(outcome(bind)).toBe('EBUSY')
    closeByHand(session)
    expect(outcome(bind)).toBe('OK(0)')
    expect(outcome(() => kernel.open('/dev/vfio/7', O_RDWR))).toBe('OK(3)')
  })

  it('keep their node while one device is bound', () => {
    const { machine, kernel, first, second } = pair('vfio-pci')
    machine.chown('/dev/vfio/7', 1000)
    kernel.writeText(`${drivers}/vfio-pci/unbind`, second.address)
    machine.setUid(1000)
    expect(outcome(() => kernel.open('/dev/vfio/7', O_RDWR))).toBe('OK(3)')
    machine.setUid(0)
    kernel.writeText(`${drivers}/vfio-pci/unbind`, first.address)
    expect(kernel.list('/dev/vfio')).toEqual(['vfio'])
  })
})
