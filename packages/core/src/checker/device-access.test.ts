// By the packages' own names, as a program has them: vfio's devices are then of the same class.
import {
  allocateDmaMemory,
  createDmaRegion,
  DmaDirection,
  DmaMisuse,
  type DmaReport,
  dmaAllocCoherent,
  dmaMapSingle,
  dmaSetMask,
  toNumber,
} from '@linux-dma/core'
import { createFakeMachine, DeviceModel, type FakeMachine, type FakeMachineOptions } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection

/** Does to memory what a test tells it. */
class HandDevice extends DeviceModel {
  override readonly identity = { vendor: 0x1234, device: 0x0002 }

  override read(): number {
    return 0
  }

  override write(): void {}

  put(address: object, byteLength: number, offset = 0): void {
    this.dma.write(toNumber(address as never) + offset, new Uint8Array(byteLength).fill(0x55))
  }

  take(address: object, byteLength: number, offset = 0): void {
    this.dma.read(toNumber(address as never) + offset, new Uint8Array(byteLength))
  }
}

function open(options: FakeMachineOptions = {}) {
  const machine = createFakeMachine(options)
  const hand = machine.addDevice(new HandDevice())
  const device = openVfioDevice(hand.address, { kernel: machine.kernel })
  device.setMaster()
  dmaSetMask(device, 0xffff_ffffn)
  return { machine, hand, device, region: createDmaRegion(device, { byteLength: 0x4000 }) }
}

function classes(machine: FakeMachine): number[] {
  return machine.dmaErrors.map((error) => (error as DmaReport).class)
}

const coherences = ['coherent', 'write-back', 'bounce'] as const

describe.each(coherences)('what a device does on a machine that is %s', (coherence) => {
  it('is nothing wrong where it keeps to what it was given', () => {
    const { machine, hand, device, region } = open({ coherence })
    const sent = dmaMapSingle(device, region.bytes.subarray(0, 64), ToDevice)
    const filled = dmaMapSingle(device, region.bytes.subarray(64, 128), FromDevice)
    const both = dmaMapSingle(device, region.bytes.subarray(128, 256), Bidirectional)
    using ring = dmaAllocCoherent(device, 64)
    hand.take(sent.dmaAddress, 64)
    hand.put(filled.dmaAddress, 64)
    hand.put(both.dmaAddress, 128)
    hand.take(both.dmaAddress, 128)
    hand.put(ring.dmaAddress, 64)
    // A part of it is lent, and the device goes on with the rest.
    both.syncForCpu(0, 64)
    hand.put(both.dmaAddress, 64, 64)
    both.syncForDevice()
    for (const mapping of [sent, filled, both]) mapping.unmap()
    // What is given out by the region's addresses is in no books.
    const plain = createDmaRegion(device, { byteLength: 4096 })
    hand.put(plain.addressAt(100, 8), 8)
    expect(classes(machine)).toEqual([])
    for (const one of [plain, region]) one.close()
    ring.free()
    device.close()
    expect(classes(machine)).toEqual([])
  })

  it('is told of where the mapping has ended', () => {
    const { machine, hand, device, region } = open({ coherence })
    const mapping = dmaMapSingle(device, region.bytes.subarray(0, 128), FromDevice)
    const { dmaAddress } = mapping
    mapping.unmap()
    hand.put(dmaAddress, 32, 16)
    expect(classes(machine)).toEqual([DmaMisuse.DeviceLate])
    const [report] = machine.dmaErrors as DmaReport[]
    expect(report).toMatchObject({ code: 'DMA_DEBUG', address: dmaAddress, size: 128, direction: FromDevice })
    expect(report!.mappedAt).toContain('device-access.test.ts')
    expect(report!.unmappedAt).toContain('device-access.test.ts')
  })

  it('is told of past the end, also where another mapping begins', () => {
    const { machine, hand, device, region } = open({ coherence })
    using first = dmaMapSingle(device, region.bytes.subarray(0, 128), FromDevice)
    using second = dmaMapSingle(device, region.bytes.subarray(128, 256), FromDevice)
    hand.put(first.dmaAddress, 192)
    expect(classes(machine)).toEqual([DmaMisuse.DevicePastEnd])
    expect(machine.dmaErrors[0]!.message).toContain('past the end of 128 bytes')
    second.unmap()
  })

  it('is told of against the direction', () => {
    const { machine, hand, device, region } = open({ coherence })
    using sent = dmaMapSingle(device, region.bytes.subarray(0, 64), ToDevice)
    using filled = dmaMapSingle(device, region.bytes.subarray(64, 128), FromDevice)
    hand.put(sent.dmaAddress, 64)
    hand.take(filled.dmaAddress, 64)
    expect(classes(machine)).toEqual([DmaMisuse.DeviceDirection, DmaMisuse.DeviceDirection])
    filled.unmap()
  })

  it('is told of while the CPU has the bytes', () => {
    const { machine, hand, device, region } = open({ coherence })
    using mapping = dmaMapSingle(device, region.bytes.subarray(0, 64), FromDevice)
    mapping.syncForCpu()
    hand.put(mapping.dmaAddress, 64)
    expect(classes(machine)).toEqual([DmaMisuse.DeviceWhileCpuOwns])
  })
})

it('a device that reads a copy is told of what was not synced', () => {
  const { machine, hand, device, region } = open({ coherence: 'bounce' })
  using mapping = dmaMapSingle(device, region.bytes.subarray(0, 64), ToDevice)
  region.bytes[5] = 42
  hand.take(mapping.dmaAddress, 64)
  expect(classes(machine)).toEqual([DmaMisuse.DeviceStale])
  machine.clearDmaErrors()
  mapping.syncForDevice()
  hand.take(mapping.dmaAddress, 64)
  expect(classes(machine)).toEqual([])
})

describe.each(coherences)('what is closed with mappings left on a machine that is %s', (coherence) => {
  it('is told of, whichever is closed first', () => {
    for (const first of ['region', 'memory', 'device'] as const) {
      const { machine, device, region } = open({ coherence })
      const memory = allocateDmaMemory({ byteLength: 4096, kernel: machine.kernel })
      dmaMapSingle(device, first === 'memory' ? memory.bytes : region.bytes.subarray(0, 64), FromDevice)
      if (first === 'region') region.close()
      if (first === 'memory') memory.close()
      device.close()
      memory.close()
      expect([first, classes(machine)]).toEqual([first, [DmaMisuse.ClosePending]])
      expect((machine.dmaErrors[0] as DmaReport).mappedAt).toContain('device-access.test.ts')
    }
  })
})
