// By the package's own name, as vfio does: its devices are then of the same class.
import { createDmaRegion, DmaDirection, dmaMapSingle, toNumber } from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'
import { expect, it } from 'vitest'
import { PlainDevice } from './fixtures/plain-device'
import { createFakeMachine } from './machine'
import { recordTrace } from './trace/record/record-trace'

function opened() {
  const machine = createFakeMachine({ coherence: 'write-back' })
  const plain = machine.addDevice(new PlainDevice())
  const { kernel, trace } = recordTrace(machine.kernel)
  const device = openVfioDevice(plain.address, { kernel })
  device.setMaster()
  const region = createDmaRegion(device, { byteLength: 4096 })
  const mapping = dmaMapSingle(device, region.bytes.subarray(0, 64), DmaDirection.ToDevice)
  const address = toNumber(mapping.dmaAddress)
  let byte = 0
  const staleRead = () => {
    region.bytes[0] = (byte++ % 255) + 1
    plain.readMemory(address, 1)
    mapping.syncForDevice()
  }
  return { machine, plain, trace, address, staleRead }
}

it('keeps the first 1,000 misuses and counts all', () => {
  const { machine, staleRead } = opened()
  for (let count = 0; count < 1500; count++) staleRead()
  expect(machine.dmaErrors).toHaveLength(1000)
  expect(() => machine.assertNoDmaErrors()).toThrow('1500 misuses of DMA, the first 1000 of them:')
  machine.clearDmaErrors()
  machine.assertNoDmaErrors()
  staleRead()
  expect(() => machine.assertNoDmaErrors()).toThrow('1 misuse of DMA:')
})

it('keeps the first 1,000 faults', () => {
  const { machine, plain } = opened()
  for (let count = 0; count < 1500; count++) plain.readMemory(0, 1)
  expect(machine.faults).toHaveLength(1000)
  machine.clearFaults()
  plain.readMemory(0, 1)
  expect(machine.faults).toHaveLength(1)
})

it('has what a device read too early in a recorded trace, too, as in that of the machine', () => {
  const { machine, plain, trace, address, staleRead } = opened()
  staleRead()
  expect(machine.dmaErrors[0]).toMatchObject({ device: plain.address, address, size: 1 })
  const misuses = [trace, machine.trace].map(({ events }) =>
    events.flatMap((event) => (event.kind === 'misuse' ? [event.message] : [])),
  )
  expect(misuses[0]).toEqual([expect.stringContaining('not synced for the device')])
  expect(misuses[1]).toEqual(misuses[0])
  const place = { device: plain.address, address: `0x${address.toString(16)}`, byteLength: 1 }
  expect(machine.trace.events.find(({ kind }) => kind === 'misuse')).toMatchObject(place)
})
