import { expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { PlainDevice } from '../fixtures/plain-device'
import { createFakeMachine } from '../machine'
import { DeviceModel } from './device-model'

it('is plugged into one machine, once', () => {
  const machine = createFakeMachine()
  const device = new PlainDevice()
  expect(outcome(() => device.address)).toBe('DMA_NOT_ATTACHED')
  expect(outcome(() => device.writeMemory(0, [1]))).toBe('DMA_NOT_ATTACHED')
  expect(machine.addDevice(device)).toBe(device)
  expect(device.address).toBe('0000:00:04.0')
  expect(outcome(() => machine.addDevice(device))).toBe('DMA_ALREADY_ATTACHED')
  expect(machine.kernel.list('/sys/bus/pci/devices')).toEqual(['0000:00:04.0'])
  expect(outcome(() => createFakeMachine().addDevice(device))).toBe('DMA_ALREADY_ATTACHED')
})

it('needs to say no more than what it is and what its registers do', () => {
  class Smallest extends DeviceModel {
    override readonly identity = { vendor: 1, device: 2 }
    override read() {
      return 0
    }
    override write() {}
  }
  const machine = createFakeMachine()
  const device = machine.addDevice(new Smallest())
  const path = `/sys/bus/pci/devices/${device.address}`
  expect(machine.kernel.readText(`${path}/class`)).toBe('0xff0000\n')
  expect(machine.kernel.readText(`${path}/revision`)).toBe('0x00\n')
  expect(machine.kernel.readLink(`${path}/driver`)).toContain('vfio-pci')
  device.reset()
})
