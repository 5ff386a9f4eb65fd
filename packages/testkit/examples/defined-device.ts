import assert from 'node:assert/strict'
import { createDmaRegion } from '@linux-dma/core'
import { createFakeMachine, defineDevice } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'

/** Adds up bytes in memory: their address; how many, which starts it; the sum. */
const sumDevice = defineDevice(
  {
    name: 'sum',
    identity: { vendor: 0x1234, device: 0x0001 },
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
    return { onWrite: { count: (count) => memory.read(registers.address.value, count, add) } }
  },
)

const machine = createFakeMachine()
const sum = machine.addDevice(sumDevice())
using device = openVfioDevice(sum.address, { kernel: machine.kernel })
device.setMaster()
using region = createDmaRegion(device, { byteLength: 4096 })
using interrupts = device.interrupts()
const registers = device.bar(0)

region.bytes.set([1, 2, 3, 4])
registers.writeAddress(0x00, region.dmaAddress)
registers.write32(0x08, 4)
await interrupts.wait({ timeoutMilliseconds: 10 })
assert.equal(registers.read32(0x10), 10)
assert.equal(sum.registers.count.value, 4)
