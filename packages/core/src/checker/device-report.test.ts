// By the packages' own names, as a program has them: vfio's devices are then of the same class.
import {
  createDmaRegion,
  DmaDirection,
  type DmaReport,
  dmaBitMask,
  dmaMapSingle,
  dmaSetMask,
  toNumber,
} from '@linux-dma/core'
import { createFakeMachine, DeviceModel, EduDevice } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import { expect, it } from 'vitest'

const length = 64

/** Writes a byte too many, at once. */
class HastyDevice extends DeviceModel {
  override readonly identity = { vendor: 0x1234, device: 0x0003 }
  override readonly bars = [{ byteLength: 0x1000 }]

  override read(): number {
    return 0
  }

  override write(_bar: number, _byteOffset: number, _width: number, value: number | bigint): void {
    this.dma.write(value, new Uint8Array(length + 1))
  }
}

function open(model: DeviceModel) {
  const machine = createFakeMachine()
  const { address } = machine.addDevice(model)
  const device = openVfioDevice(address, { kernel: machine.kernel })
  device.setMaster()
  dmaSetMask(device, dmaBitMask(28))
  const region = createDmaRegion(device, { byteLength: 4096 })
  const mapping = dmaMapSingle(device, region.bytes.subarray(0, length), DmaDirection.FromDevice)
  return { machine, registers: device.bar(0), dmaAddress: mapping.dmaAddress }
}

it('says when a device did by itself what it should not, and names no place', async () => {
  const { machine, registers, dmaAddress } = open(new EduDevice())
  registers.write32(0x80, 0x40000)
  registers.writeAddress(0x88, dmaAddress)
  registers.write32(0x90, length + 1)
  registers.write32(0x98, 3)
  const begin = machine.clock.now()
  await machine.clock.sleep(200)
  const [report, ...more] = machine.dmaErrors as DmaReport[]
  expect(more).toEqual([])
  const time = Number((begin + 100).toFixed(4))
  expect(report!.message).toMatch(new RegExp(`\n {2}by the device, at ${time} ms\n {2}hint: `))
  expect(report!.message).not.toMatch(/unknown|misused at/)
  expect(Object.keys(report!)).not.toContain('misusedAt')
})

it('says beside that where the program was, if the device did it while it was called', () => {
  const { machine, registers, dmaAddress } = open(new HastyDevice())
  registers.write32(0x00, toNumber(dmaAddress))
  const [report] = machine.dmaErrors as DmaReport[]
  expect(report!.message).toMatch(/\n {2}by the device, at 0\.\d{1,4} ms, at .*device-report\.test\.ts/)
  expect(report!.misusedAt).toMatch(/device-report\.test\.ts/)
})
