import assert from 'node:assert/strict'
import { dmaAllocCoherent, toNumber } from '@linux-dma/core'
import { createCaptureCard, createFakeMachine } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'

// 100 frames a second, and the first one is scripted before any driver is there.
const machine = createFakeMachine()
const camera = machine.addDevice(createCaptureCard({ frameBytes: 1024, framesPerSecond: 100 }))
camera.side.frame(new Uint8Array(1024).fill(0x55))
{
  using device = openVfioDevice(camera.address, { kernel: machine.kernel })
  device.setMaster()
  using ring = dmaAllocCoherent(device, 2 * 32)
  using frame = dmaAllocCoherent(device, 1024)
  using interrupts = device.interrupts()
  const registers = device.bar(0)

  // One buffer, in a ring of two descriptors: address and length. Frames and overruns interrupt.
  const view = new DataView(ring.bytes.buffer, ring.bytes.byteOffset)
  view.setBigUint64(0, BigInt(toNumber(frame.dmaAddress)), true)
  view.setUint32(8, 1024, true)
  registers.writeAddress(0x20, ring.dmaAddress)
  registers.write32(0x28, 2)
  registers.write32(0x2c, 1)
  registers.write32(0x54, 0x3)
  registers.write32(0x04, 1)

  await interrupts.wait({ timeoutMilliseconds: 20 })
  assert.equal(registers.read32(0x50), 0x1)
  assert.deepEqual([view.getUint32(12, true), frame.bytes[1023]], [1, 0x55])

  // Nobody gives the buffer back: the next frames are dropped, and counted.
  await machine.clock.sleep(30)
  assert.equal(registers.read32(0x40), 3)
}
machine.assertQuiescent()
