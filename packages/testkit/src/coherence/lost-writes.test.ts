// By the package's own name, as vfio does: its devices are then of the same class.
import { createDmaRegion, DmaDirection, dmaMapSingle, toNumber } from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { PlainDevice } from '../fixtures/plain-device'
import { createFakeMachine } from '../machine'

function opened() {
  const machine = createFakeMachine({ coherence: 'write-back' })
  const plain = machine.addDevice(new PlainDevice())
  const device = openVfioDevice(plain.address, { kernel: machine.kernel })
  device.setMaster()
  const { bytes } = createDmaRegion(device, { byteLength: 4096 })
  const mapping = dmaMapSingle(device, bytes.subarray(0, 128), DmaDirection.FromDevice)
  return { machine, plain, bytes, mapping, start: toNumber(mapping.dmaAddress) }
}

describe('what the CPU wrote to a buffer that the device had', () => {
  it.each(['sync', 'unmap'])('is lost with the next %s, and told of', (how) => {
    const { machine, plain, bytes, mapping, start } = opened()
    bytes[100] = 9
    plain.writeMemory(start, [1, 2, 3])
    if (how === 'sync') mapping.syncForCpu()
    else mapping.unmap()
    expect([bytes[0], bytes[100]]).toEqual([1, 0])
    expect(machine.dmaErrors).toEqual([expect.objectContaining({ code: 'DMA_LOST_WRITE' })])
    const { message } = machine.dmaErrors[0]!
    expect(message).toMatch(
      /lost: bytes 100\.\.100 of the 128-byte from-device mapping at 0x\w+ were written by the CPU while 0000:00:04\.0 had them/,
    )
    expect(message).toMatch(/mapped at .*lost-writes\.test\.ts/)
  })

  it('is none between the syncs, nor where it is what was there', () => {
    const { machine, plain, bytes, mapping, start } = opened()
    mapping.syncForCpu()
    bytes[100] = 9
    mapping.syncForDevice()
    bytes[100] = 9
    plain.writeMemory(start, [1])
    mapping.unmap()
    expect([bytes[0], bytes[100]]).toEqual([1, 9])
    machine.assertNoDmaErrors()
  })
})
