import { O_RDWR } from '@linux-dma/native'
import { expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { PlainDevice } from '../fixtures/plain-device'
import { createFakeMachine } from '../machine'
import type { BarLayout } from '../models/device-model'

it('refuses BARs that no hardware has', () => {
  for (const bars of [
    [{ byteLength: 0x1800 }],
    [{ byteLength: 8 }],
    [{ byteLength: 0x1000, index: 6 }],
    [{ byteLength: 0x1000, index: 5, addressWidth: 64 }],
    [{ byteLength: 0x1000, addressWidth: 64 }, { byteLength: 0x1000 }],
    [
      { byteLength: 0x1000, index: 2 },
      { byteLength: 0x1000, index: 2 },
    ],
  ] as BarLayout[][]) {
    class Odd extends PlainDevice {
      override readonly bars = bars
    }
    expect(outcome(() => createFakeMachine().addDevice(new Odd()))).toBe('DMA_INVALID_ARGUMENT')
  }
})

it('gives a BAR that is smaller than a page a page of its own', () => {
  class Small extends PlainDevice {
    override readonly bars = [{ byteLength: 0x100 }, { byteLength: 0x1000 }, { byteLength: 16 }]
  }
  const machine = createFakeMachine()
  const { kernel } = machine
  const device = machine.addDevice(new Small(), { driver: null })
  const path = `/sys/bus/pci/devices/${device.address}`
  const bars = kernel.readText(`${path}/resource`).split('\n').slice(0, 3)
  expect(bars.map((line) => line.split(' ').slice(0, 2))).toEqual([
    ['0x00000000fe000000', '0x00000000fe0000ff'],
    ['0x00000000fe001000', '0x00000000fe001fff'],
    ['0x00000000fe002000', '0x00000000fe00200f'],
  ])
  const fd = kernel.open(`${path}/resource0`, O_RDWR)
  expect(outcome(() => kernel.mapRegisters(fd, { byteLength: 4097 }))).toBe('EINVAL')
  const window = kernel.mapRegisters(fd, { byteLength: 4096 })
  window.write32(0xfc, 7)
  window.write32(0x100, 8)
  expect([window.read32(0xfc), window.read32(0x100), window.read64(0xff8)]).toEqual([7, 0, 0n])
  expect(device.accesses).toEqual(['write32 0:252', 'read32 0:252'])
})
