import { createDmaRegion } from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { createFakeMachine } from '../machine'
import { defineDevice } from './define-device'

const identity = { vendor: 0x1234, device: 0x0001 }

const sumDevice = defineDevice(
  {
    name: 'sum',
    identity,
    interrupts: { msi: 1 },
    bars: [
      {
        byteLength: 0x1000,
        registers: {
          address: { offset: 0x00, width: 64 },
          count: { offset: 0x08, width: 32 },
          sum: { offset: 0x10, width: 32, access: 'ro' },
        },
      },
    ],
  },
  ({ registers, engine, raiseInterrupt }) => {
    const memory = engine({ bytesPerMillisecond: 1000 })
    const add = (bytes: Uint8Array) => {
      registers.sum.value = bytes.reduce((sum, byte) => sum + byte, 0)
      raiseInterrupt()
    }
    return { onWrite: { count: (bytes) => memory.read(registers.address.value, bytes, add) } }
  },
)

describe('a defined device', () => {
  it('does what a subclass does', async () => {
    const machine = createFakeMachine()
    const { address } = machine.addDevice(sumDevice())
    {
      using device = openVfioDevice(address, { kernel: machine.kernel })
      device.setMaster()
      using region = createDmaRegion(device, { byteLength: 4096 })
      using interrupts = device.interrupts()
      const registers = device.bar(0)
      region.bytes.set([1, 2, 3, 4])
      registers.writeAddress(0x00, region.dmaAddress)
      registers.write32(0x08, 4)
      await interrupts.wait({ timeoutMilliseconds: 10 })
      expect(registers.read32(0x10)).toBe(10)
    }
    machine.assertQuiescent()
  })
})
