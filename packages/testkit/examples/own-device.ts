import assert from 'node:assert/strict'
import { createDmaRegion } from '@linux-dma/core'
import { type AccessWidth, createFakeMachine, DeviceModel } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'

/** Adds up bytes in memory. 0x00: their address; 0x08: how many, which starts it; 0x10: the sum. */
class SumDevice extends DeviceModel {
  override readonly identity = { vendor: 0x1234, device: 0x0001 }
  override readonly bars = [{ byteLength: 0x1000 }]
  override readonly interrupts = { msi: 1 }
  #address = 0n
  #sum = 0

  override read(_bar: number, byteOffset: number) {
    return byteOffset === 0x10 ? this.#sum : 0
  }

  override write(_bar: number, byteOffset: number, _width: AccessWidth, value: number | bigint) {
    if (byteOffset === 0x00) this.#address = BigInt(value)
    if (byteOffset === 0x08) this.schedule(0.5, () => this.#add(new Uint8Array(Number(value))))
  }

  #add(bytes: Uint8Array) {
    this.dma.read(this.#address, bytes)
    this.#sum = bytes.reduce((sum, byte) => sum + byte, 0)
    this.raiseInterrupt()
  }
}

const machine = createFakeMachine()
const { address } = machine.addDevice(new SumDevice())
using device = openVfioDevice(address, { kernel: machine.kernel })
device.setMaster()
using region = createDmaRegion(device, { byteLength: 4096 })
using interrupts = device.interrupts()
const registers = device.bar(0)

region.bytes.set([1, 2, 3, 4])
registers.writeAddress(0x00, region.dmaAddress)
registers.write32(0x08, 4)
await interrupts.wait({ timeoutMilliseconds: 10 })
assert.equal(registers.read32(0x10), 10)
