import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { PlainDevice } from '../fixtures/plain-device'
import { rawUio } from '../fixtures/raw-uio'
import { createFakeMachine } from '../machine'
import type { FakeMachineOptions } from '../machine-options'
import { EduDevice } from '../models/edu'

const page = 4096

describe('uio_pdrv_genirq', () => {
  function opened() {
    const machine = createFakeMachine()
    const edu = machine.addPlatformDevice(new EduDevice(), { driver: 'uio_pdrv_genirq' })
    const { kernel } = machine
    const uio = rawUio(kernel)
    const fd = uio.open()
    return { machine, kernel, edu, uio, fd, registers: kernel.mapRegisters(fd, { byteLength: page }) }
  }

  it('offers the registers of a device that is where it is said to be', () => {
    const { kernel, edu, uio, registers } = opened()
    expect(edu.address).toBe('edu.0')
    expect(kernel.readLink('/sys/class/uio/uio0')).toBe('../../devices/platform/edu.0/uio/uio0')
    expect(kernel.readLink('/sys/bus/platform/devices/edu.0')).toBe('../../../devices/platform/edu.0')
    expect(kernel.readLink('/sys/bus/platform/devices/edu.0/driver')).toBe(
      '../../../bus/platform/drivers/uio_pdrv_genirq',
    )
    expect(['name', 'version', 'maps/map0/name', 'maps/map0/addr'].map((file) => uio.text(file))).toEqual([
      'edu',
      '1',
      'edu.0',
      '0x00000000fe000000',
    ])
    expect(registers.read32(0)).toBe(0x010000ed)
    expect(kernel.readText('/proc/iomem')).toContain('fe000000-fe0fffff : edu.0\n')
  })

  it('keeps the line off from each interrupt until 1 is written', () => {
    const { uio, fd, registers } = opened()
    const count = () => outcome(() => uio.read(fd))
    registers.write32(0x60, 1)
    expect([count(), count()]).toEqual(['OK(1)', 'EAGAIN'])
    registers.write32(0x60, 2)
    expect(count()).toBe('EAGAIN')
    // The source is still up: it fires at once.
    uio.write(fd, 1)
    expect([count(), count()]).toEqual(['OK(2)', 'EAGAIN'])
    registers.write32(0x64, 3)
    expect(uio.write(fd, 1)).toBe(4)
    expect(count()).toBe('EAGAIN')
    // Off twice, on once: it is no counter.
    uio.write(fd, 0)
    uio.write(fd, 0)
    registers.write32(0x60, 1)
    expect(count()).toBe('EAGAIN')
    uio.write(fd, 1)
    expect(count()).toBe('OK(3)')
  })

  it('is unbound while it is open, and bound again', () => {
    const { machine, kernel, uio, fd, registers } = opened()
    kernel.writeText('/sys/bus/platform/devices/edu.0/driver/unbind', 'edu.0')
    expect(outcome(() => uio.read(fd))).toBe('EIO')
    expect(kernel.list('/sys/devices/platform/edu.0')).not.toContain('uio')
    kernel.writeText('/sys/bus/platform/drivers/uio_pdrv_genirq/bind', 'edu.0')
    expect(kernel.list('/sys/class/uio')).toEqual(['uio0'])
    const again = uio.open()
    for (const one of [fd, again]) kernel.close(one)
    registers.close()
    machine.assertQuiescent()
  })

  it('does without an interrupt', () => {
    const machine = createFakeMachine()
    machine.addPlatformDevice(new PlainDevice(), {
      driver: 'uio_pdrv_genirq',
      interrupt: false,
      uioName: 'own',
    })
    const uio = rawUio(machine.kernel)
    const fd = uio.open()
    expect([outcome(() => uio.read(fd)), outcome(() => uio.write(fd, 1)), uio.text('name')]).toEqual([
      'EIO',
      'EIO',
      'own',
    ])
  })

  it('loses a device that is taken away', () => {
    const { machine, kernel, edu, uio, fd } = opened()
    machine.removeDevice(edu)
    expect(outcome(() => uio.read(fd))).toBe('EIO')
    expect(kernel.list('/sys/bus/platform/devices')).toEqual([])
  })
})

describe('uio_dmem_genirq', () => {
  function opened(options: FakeMachineOptions = { iommu: 'off' }) {
    const machine = createFakeMachine(options)
    const edu = machine.addPlatformDevice(new EduDevice({ dmaMask: 0xffff_ffffn }), {
      driver: 'uio_dmem_genirq',
      dynamicRegions: [16384, 65536],
    })
    const uio = rawUio(machine.kernel)
    const address = (map = 1) => uio.text(`maps/map${map}/addr`)
    return { machine, kernel: machine.kernel, edu, uio, address }
  }
  const closed = '0xffffffffffffffff'

  it('has memory from the first open to the last close, and shows the pointer to it since Linux 6.9', () => {
    const { kernel, uio, address } = opened()
    expect([address(1), address(2)]).toEqual([closed, closed])
    const fd = uio.open()
    const second = uio.open()
    expect([address(1), address(2)]).toEqual(['0xff11000002640000', '0xff11000002650000'])
    kernel.close(fd)
    expect(address()).toBe('0xff11000002640000')
    kernel.close(second)
    expect(address()).toBe(closed)
    uio.open()
    expect(address()).not.toBe(closed)
  })

  it('shows the bus address before, which the device reaches', () => {
    const { machine, kernel, uio, address } = opened({ iommu: 'off', kernelRelease: '6.8.12-amd64' })
    expect(address()).toBe(closed)
    const fd = uio.open()
    expect(address()).toBe('0x0000000002640000')
    const memory = kernel.mmap(fd, { byteLength: 16384, position: page })
    const registers = kernel.mapRegisters(fd, { byteLength: page })
    memory.bytes[0] = 0x5a
    for (const [source, destination, command] of [
      [0x2640000, 0x40000, 1],
      [0x40000, 0x2640000 + 8, 3],
    ] as const) {
      registers.write32(0x80, source)
      registers.write32(0x88, destination)
      registers.write32(0x90, 4)
      registers.write32(0x98, command)
      machine.clock.advance(200)
    }
    expect(memory.bytes[8]).toBe(0x5a)
    // Linux maps a page number: nothing is known of the page.
    const entries = new BigUint64Array(1)
    kernel.readPagemap(memory.address, entries)
    expect(entries[0]).toBe(0n)
  })

  it('follows the kernel that is running when it is bound', () => {
    const { machine, kernel, uio, address } = opened()
    machine.setKernelRelease('6.8.0')
    expect(kernel.readText('/proc/sys/kernel/osrelease')).toBe('6.8.0\n')
    kernel.writeText('/sys/bus/platform/drivers/uio_dmem_genirq/unbind', 'edu.0')
    kernel.writeText('/sys/bus/platform/drivers/uio_dmem_genirq/bind', 'edu.0')
    uio.open()
    expect(address()).toBe('0x0000000002640000')
  })

  it('maps its regions, and not more than them', () => {
    const { kernel, uio } = opened()
    const fd = uio.open()
    const map = (byteLength: number, index: number) => () =>
      kernel.mmap(fd, { byteLength, position: index * page }).close()
    expect([map(16384, 1), map(16385, 1), map(65536, 2), map(page, 3)].map(outcome)).toEqual([
      'OK(0)',
      'EINVAL',
      'OK(0)',
      'EINVAL',
    ])
  })

  it('keeps the memory while it is mapped, whoever closes', () => {
    const { machine, kernel, uio, address } = opened()
    const fd = uio.open()
    const memory = kernel.mmap(fd, { byteLength: 16384, position: page })
    const shown = address()
    kernel.close(fd)
    expect(address()).toBe(shown)
    expect(() => machine.assertQuiescent()).toThrow('mapping of 16384 bytes of /dev/uio0')
    memory.close()
    expect(address()).toBe(closed)
    machine.assertQuiescent()
  })

  it('does not tell of an allocation that fails: there is no address then', () => {
    const { machine, kernel, uio, address } = opened()
    machine.failCall({ syscall: 'dma_alloc_coherent', code: 'ENOMEM' })
    const fd = uio.open()
    expect([address(1), address(2)]).toEqual([closed, '0xff11000002640000'])
    expect(outcome(() => kernel.mmap(fd, { byteLength: page, position: page }))).toBe('ENODEV')
  })

  it('loses the memory when it is unbound while it is open, as Linux does', () => {
    const { machine, kernel, uio } = opened()
    const fd = uio.open()
    const memory = kernel.mmap(fd, { byteLength: 16384, position: page })
    memory.bytes[0] = 7
    kernel.writeText('/sys/bus/platform/drivers/uio_dmem_genirq/unbind', 'edu.0')
    expect(memory.bytes[0]).toBe(7)
    expect(machine.log.map(({ message }) => message)).toEqual([
      'uio_dmem_genirq was unbound while the device was open: 81920 bytes are never freed',
    ])
  })

  it('refuses a device without an interrupt', () => {
    const machine = createFakeMachine()
    const add = () =>
      machine.addPlatformDevice(new EduDevice(), { driver: 'uio_dmem_genirq', interrupt: false })
    expect(outcome(add)).toBe('ENXIO')
  })

  it('behind an IOMMU, takes the DMA address for a physical one before Linux 6.9', () => {
    const { machine, kernel, uio, address } = opened({ iommu: 'on', kernelRelease: '6.1' })
    const fd = uio.open()
    expect(address()).toBe('0x00000000ffffc000')
    kernel.mmap(fd, { byteLength: 16384, position: page }).bytes[0] = 0x5a
    const registers = kernel.mapRegisters(fd, { byteLength: page })
    registers.write32(0x80, 0xffffc000)
    registers.write32(0x88, 0x40000)
    registers.write32(0x90, 4)
    registers.write32(0x98, 1)
    machine.clock.advance(200)
    expect(machine.faults).toEqual([])
    expect(machine.log[0]?.message).toContain('what programs map is not what the device reaches')
  })
})

describe('addPlatformDevice', () => {
  it('refuses what makes no sense', () => {
    const machine = createFakeMachine()
    machine.addPlatformDevice(new EduDevice(), { name: 'taken' })
    for (const options of [
      { name: 'taken' },
      { name: 'a/b' },
      { driver: 'vfio-pci' },
      { driver: 'uio_pdrv_genirq', dynamicRegions: [4096] },
      { driver: 'uio_dmem_genirq', dynamicRegions: [0] },
      { interrupt: 1 },
      { uioname: 'x' },
    ]) {
      expect(outcome(() => machine.addPlatformDevice(new EduDevice(), options as never))).toBe(
        'DMA_INVALID_ARGUMENT',
      )
    }
  })

  it('names devices after their class, and puts them behind the IOMMU where there is one', () => {
    const machine = createFakeMachine()
    const names = [0, 1].map(() => machine.addPlatformDevice(new EduDevice()).address)
    expect(names).toEqual(['edu.0', 'edu.1'])
    const group = machine.kernel.readLink('/sys/devices/platform/edu.1/iommu_group')
    expect(group).toBe('../../../kernel/iommu_groups/2')
    expect(machine.kernel.readText('/sys/kernel/iommu_groups/2/type')).toBe('DMA-FQ\n')
    const free = createFakeMachine({ iommu: 'off' })
    free.addPlatformDevice(new EduDevice())
    expect(free.kernel.list('/sys/devices/platform/edu.0')).not.toContain('iommu_group')
  })
})
