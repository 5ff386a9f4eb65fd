import type { Kernel } from '@linux-dma/core'
import { O_RDWR } from '@linux-dma/native'
import { createFakeMachine, EduDevice, type FakeMachine, type FakeMachineOptions } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { alteredKernel } from '../test-support/altered-kernel'
import { bindDriver } from './bind-driver'

const address = '0000:00:04.0'

function machineWith(driver: string | null, options: FakeMachineOptions = {}): FakeMachine {
  const machine = createFakeMachine(options)
  machine.addDevice(new EduDevice(), { address, driver })
  return machine
}

/** Who has the device, and which driver was set for it by hand. */
function state(kernel: Kernel): { driver: string | undefined; override: string } {
  const folder = `/sys/bus/pci/devices/${address}`
  let driver: string | undefined
  try {
    driver = kernel.readLink(`${folder}/driver`).split('/').pop()
  } catch {}
  return { driver, override: kernel.readText(`${folder}/driver_override`).trim() }
}

describe('bindDriver', () => {
  it('gives a device to a driver, tells who had it, and gives it back', () => {
    const { kernel } = machineWith('vfio-pci')
    const { override } = state(kernel)
    expect(bindDriver(address, 'uio_pci_generic', { kernel })).toBe('vfio-pci')
    expect(state(kernel)).toEqual({ driver: 'uio_pci_generic', override })
    expect(bindDriver('00:04.0', 'uio_pci_generic', { kernel })).toBe('uio_pci_generic')
    expect(bindDriver(address, null, { kernel })).toBe('uio_pci_generic')
    expect(state(kernel)).toEqual({ driver: undefined, override })
    expect(bindDriver(address, null, { kernel })).toBeUndefined()
    expect(bindDriver(address, 'vfio-pci', { kernel })).toBeUndefined()
    expect(state(kernel)).toEqual({ driver: 'vfio-pci', override })
  })

  it.each(['(null)', 'none', 'vfio-pci', 'nic', 'uio_pci_generic'])(
    "leaves an administrator's driver_override as it is: %s",
    (override) => {
      const { kernel } = machineWith('nic')
      kernel.writeText(
        `/sys/bus/pci/devices/${address}/driver_override`,
        override === '(null)' ? '\n' : override,
      )
      for (const driver of ['uio_pci_generic', 'vfio-pci', 'nic', null, 'uio_pci_generic', null]) {
        bindDriver(address, driver, { kernel })
        expect(state(kernel)).toEqual({ driver: driver ?? undefined, override })
      }
    },
  )

  it.each(['vfio-pci', 'nic', null])(
    'puts everything back where a write fails: %s has the device',
    (before) => {
      let failures = 0
      for (let nth = 1; nth <= 6; nth++) {
        const machine = machineWith(before)
        const { kernel } = machine
        const found = state(kernel)
        machine.failCall({ syscall: 'write', nth, code: 'EIO' })
        try {
          bindDriver(address, 'uio_pci_generic', { kernel })
          expect(state(kernel).driver).toBe('uio_pci_generic')
        } catch (error) {
          failures++
          expect(error).toMatchObject({ name: 'DmaError' })
          expect(state(kernel)).toEqual(found)
        }
        machine.assertQuiescent()
      }
      expect(failures).toBe(before === null ? 3 : 4)
    },
  )

  it('puts everything back where it cannot be seen which driver has the device', () => {
    for (let nth = 1; nth <= 3; nth++) {
      const machine = machineWith('nic')
      const { kernel } = machine
      const found = state(kernel)
      machine.failCall({ syscall: 'readlink', nth, code: 'ENOMEM' })
      expect(() => bindDriver(address, 'uio_pci_generic', { kernel })).toThrow(
        expect.objectContaining({ code: 'ENOMEM', syscall: 'readlink' }),
      )
      expect(state(kernel)).toEqual(found)
    }
  })

  it('gives a device back that the new driver refuses, and says why it may have', () => {
    const machine = machineWith('nic', { iommu: 'off' })
    const { kernel } = machine
    expect(() => bindDriver(address, 'vfio-pci', { kernel })).toThrow(
      expect.objectContaining({
        code: 'DMA_NOT_BOUND',
        message: expect.stringMatching(/vfio-pci did not take 0000:00:04\.0: E/),
        hint: expect.stringContaining('intel_iommu=on'),
      }),
    )
    expect(state(kernel)).toEqual({ driver: 'nic', override: '(null)' })
  })

  it('believes what the device says, not the write', () => {
    const machine = machineWith('nic')
    const deaf = alteredKernel(machine.kernel, {
      writeText(path, text) {
        if (path !== '/sys/bus/pci/drivers/uio_pci_generic/bind') machine.kernel.writeText(path, text)
      },
    })
    expect(() => bindDriver(address, 'uio_pci_generic', { kernel: deaf })).toThrow(
      expect.objectContaining({ code: 'DMA_NOT_BOUND', hint: expect.stringContaining('bit 10') }),
    )
    expect(state(machine.kernel)).toEqual({ driver: 'nic', override: '(null)' })
  })

  it('says who has the device where another was faster, or where the old driver does not take it back', () => {
    const machine = machineWith('nic')
    const { kernel } = machine
    const raced = alteredKernel(kernel, {
      writeText(path, text) {
        if (path === '/sys/bus/pci/drivers/uio_pci_generic/bind') {
          kernel.writeText(`/sys/bus/pci/devices/${address}/driver_override`, 'vfio-pci')
          kernel.writeText('/sys/bus/pci/drivers/vfio-pci/bind', text)
        }
        kernel.writeText(path, text)
      },
    })
    expect(() => bindDriver(address, 'uio_pci_generic', { kernel: raced })).toThrow(
      expect.objectContaining({
        code: 'DMA_NOT_BOUND',
        message: expect.stringContaining('is bound to vfio-pci now, since nic did not take it back'),
        cause: expect.objectContaining({ message: expect.stringContaining('vfio-pci has it now') }),
      }),
    )
    const lost = machineWith('nic')
    for (const nth of [3, 5]) lost.failCall({ syscall: 'write', nth, code: 'EIO' })
    expect(() => bindDriver(address, 'uio_pci_generic', { kernel: lost.kernel })).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('has no driver now'),
        hint: expect.stringContaining('modprobe nic'),
      }),
    )
  })

  it('does not mind that somebody else took the device away, or bound it to the same driver', () => {
    const machine = machineWith('nic')
    const { kernel } = machine
    const bind = '/sys/bus/pci/drivers/uio_pci_generic/bind'
    const helped = alteredKernel(kernel, {
      writeText(path, text) {
        if (path.endsWith('/unbind')) kernel.writeText(path, text)
        if (path === bind) {
          kernel.writeText(`/sys/bus/pci/devices/${address}/driver_override`, 'uio_pci_generic')
          kernel.writeText(path, text)
        }
        kernel.writeText(path, text)
      },
    })
    expect(bindDriver(address, 'uio_pci_generic', { kernel: helped })).toBe('nic')
    expect(state(kernel).driver).toBe('uio_pci_generic')
  })

  it('tells a device that goes away from a driver that refuses', () => {
    const machine = createFakeMachine()
    const edu = machine.addDevice(new EduDevice(), { address, driver: 'nic' })
    const { kernel } = machine
    const pulled = alteredKernel(kernel, {
      writeText(path, text) {
        if (path.endsWith('/bind')) machine.removeDevice(edu)
        kernel.writeText(path, text)
      },
    })
    expect(() => bindDriver(address, 'uio_pci_generic', { kernel: pulled })).toThrow(
      expect.objectContaining({ code: 'DMA_NO_DEVICE' }),
    )
  })

  it("is root's, and says what root has to type", () => {
    const machine = machineWith('nic', { uid: 1000 })
    const folder = `/sys/bus/pci/devices/${address}`
    expect(() => bindDriver(address, 'uio_pci_generic', { kernel: machine.kernel })).toThrow(
      expect.objectContaining({
        code: 'EACCES',
        hint: `as root: modprobe uio_pci_generic && echo uio_pci_generic > ${folder}/driver_override && echo ${address} > ${folder}/driver/unbind && echo ${address} > /sys/bus/pci/drivers_probe`,
      }),
    )
    expect(() => bindDriver(address, null, { kernel: machine.kernel })).toThrow(
      expect.objectContaining({
        hint: `as root: echo ${address} > ${folder}/driver/unbind`,
      }),
    )
    expect(state(machine.kernel)).toEqual({ driver: 'nic', override: '(null)' })
  })

  it('refuses to wait for a device that this very process has open', () => {
    const machine = machineWith('vfio-pci')
    const { kernel } = machine
    const group = kernel.open(machine.groupNode(address), O_RDWR)
    expect(() => bindDriver(address, 'uio_pci_generic', { kernel })).toThrow(
      expect.objectContaining({ code: 'DMA_ALREADY_OPEN', path: machine.groupNode(address) }),
    )
    expect(state(kernel)).toEqual({ driver: 'vfio-pci', override: 'vfio-pci' })
    kernel.close(group)
    expect(bindDriver(address, 'uio_pci_generic', { kernel })).toBe('vfio-pci')
  })

  it.each([
    [['0000:00:04.9', 'vfio-pci'], 'DMA_INVALID_ARGUMENT'],
    [[4, 'vfio-pci'], 'DMA_INVALID_ARGUMENT'],
    [[address, ''], 'DMA_INVALID_ARGUMENT'],
    [[address, '../nic'], 'DMA_INVALID_ARGUMENT'],
    [[address, '..'], 'DMA_INVALID_ARGUMENT'],
    [[address, 'nic\n'], 'DMA_INVALID_ARGUMENT'],
    [[address, 'nic '], 'DMA_INVALID_ARGUMENT'],
    [[address, ' nic'], 'DMA_INVALID_ARGUMENT'],
    [[address, '\0'], 'DMA_INVALID_ARGUMENT'],
    [[address, 'nic\0x'], 'DMA_INVALID_ARGUMENT'],
    [[address, '.'], 'DMA_INVALID_ARGUMENT'],
    [[address, undefined], 'DMA_INVALID_ARGUMENT'],
    [['0000:00:05.0', 'vfio-pci'], 'DMA_NO_DEVICE'],
    [[address, 'igb_uio'], 'DMA_NO_DRIVER'],
  ])('refuses %j before anything happens', ([at, driver], code) => {
    const { kernel } = machineWith('nic')
    expect(() => bindDriver(at as string, driver as string, { kernel })).toThrow(
      expect.objectContaining({ code }),
    )
    expect(() => bindDriver(address, null, { kernal: kernel } as object)).toThrow(
      /no option is called 'kernal'/,
    )
    expect(state(kernel)).toEqual({ driver: 'nic', override: '(null)' })
  })
})
