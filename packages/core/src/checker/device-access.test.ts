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
import { dmaMapSgtable, dmaUnmapSgtable, SgTable } from '@linux-dma/sg'
import {
  createFakeMachine,
  DeviceModel,
  type DmaBurst,
  defineDevice,
  EduDevice,
  type FakeMachine,
  type FakeMachineOptions,
} from '@linux-dma/testkit'
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

  put(address: object, byteLength: number, offset = 0, burst: DmaBurst = {}): void {
    this.dma.write(toNumber(address as never) + offset, new Uint8Array(byteLength).fill(0x55), burst)
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

  it('is nothing wrong where it reads the last word whole', () => {
    const { machine, hand, device, region } = open({ coherence })
    using mapping = dmaMapSingle(device, region.bytes.subarray(0, 61), ToDevice)
    hand.take(mapping.dmaAddress, 64)
    expect(classes(machine)).toEqual([])
    hand.take(mapping.dmaAddress, 68)
    expect(classes(machine)).toEqual([DmaMisuse.DevicePastEnd])
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

  it('is told of past the end, also where a burst begins there', () => {
    const { machine, hand, device, region } = open({ coherence })
    using mapping = dmaMapSingle(device, region.bytes.subarray(0, 128), FromDevice)
    hand.put(mapping.dmaAddress, 128)
    hand.put(mapping.dmaAddress, 64, 128, { continues: true })
    expect(classes(machine)).toEqual([DmaMisuse.DevicePastEnd])
    expect(machine.dmaErrors[0]!.message).toContain('64 bytes of others')
  })

  it('is told of late where something else is mapped there meanwhile', () => {
    const { machine, hand, device, region } = open({ coherence })
    const received = dmaMapSingle(device, region.bytes.subarray(0, 128), FromDevice)
    const { dmaAddress } = received
    received.unmap()
    using sent = dmaMapSingle(device, region.bytes.subarray(0, 128), ToDevice)
    // On a machine that bounces, what is mapped next may lie elsewhere.
    hand.put(coherence === 'bounce' ? dmaAddress : sent.dmaAddress, 128)
    expect(classes(machine)).toEqual([DmaMisuse.DeviceLate])
    expect((machine.dmaErrors[0] as DmaReport).unmappedAt).toContain('device-access.test.ts')
  })

  it('is told of late however many were unmapped since', () => {
    const { machine, hand, device } = open({ coherence })
    const region = createDmaRegion(device, { byteLength: 300 * 64 })
    const ring = Array.from({ length: 300 }, (_, index) =>
      dmaMapSingle(device, region.bytes.subarray(index * 64, index * 64 + 64), FromDevice),
    )
    const { dmaAddress } = ring[0]!
    for (const mapping of ring) mapping.unmap()
    hand.put(dmaAddress, 64)
    expect(classes(machine)).toEqual([DmaMisuse.DeviceLate])
  })

  it('is told of where the segments of a table are left, and after their unmap', () => {
    const { machine, hand, device, region } = open({ coherence })
    const table = SgTable.fromBuffers([region.bytes.subarray(0, 64), region.bytes.subarray(4096, 4160)])
    const mapped = dmaMapSgtable(device, table, FromDevice)
    const addresses = [...mapped].map(({ dmaAddress }) => dmaAddress)
    for (const address of addresses) hand.put(address, 64)
    expect(classes(machine)).toEqual([])
    hand.put(addresses.at(-1)!, 128)
    dmaUnmapSgtable(device, table, FromDevice)
    hand.put(addresses.at(-1)!, 64)
    expect(classes(machine)).toEqual([DmaMisuse.DevicePastEnd, DmaMisuse.DeviceLate])
  })

  it('is nobody’s mistake where the program has asked for the region’s addresses', () => {
    const { machine, hand, device, region } = open({ coherence: 'coherent' })
    const ring = region.addressAt(0, 4096)
    const piece = dmaMapSingle(device, region.bytes.subarray(0, 64), FromDevice)
    hand.put(ring, 128)
    piece.unmap()
    hand.put(ring, 128)
    expect(classes(machine)).toEqual([])
  })

  it('is nothing wrong where the CPU looks at what the device goes on writing', () => {
    const { machine, hand, device, region } = open({ coherence })
    using mapping = dmaMapSingle(device, region.bytes.subarray(0, 64), FromDevice)
    for (let turn = 0; turn < 3; turn++) {
      hand.put(mapping.dmaAddress, 64)
      mapping.syncForCpu()
      expect(mapping.bytes[0]).toBe(0x55)
    }
    expect(classes(machine)).toEqual([])
  })
})

/** Writes a counter to where it is told. */
const counter = defineDevice(
  {
    name: 'counter',
    identity: { vendor: 0x1234, device: 0x0003 },
    bars: [
      {
        byteLength: 4096,
        registers: {
          address: { offset: 0, width: 32, access: 'rw' },
          byteLength: { offset: 4, width: 32, access: 'rw' },
          start: { offset: 8, width: 32, access: 'wo' },
        },
      },
    ],
  },
  ({ registers, engine }) => {
    const dma = engine({ bytesPerMillisecond: 4096, burstBytes: 4096 })
    return {
      onWrite: {
        start: () => dma.write(registers.address.value, new Uint8Array(registers.byteLength.value)),
      },
    }
  },
)

describe('a device with an engine', () => {
  function counting(byteLength: number) {
    const machine = createFakeMachine()
    const { address } = machine.addDevice(counter())
    const device = openVfioDevice(address, { kernel: machine.kernel })
    device.setMaster()
    dmaSetMask(device, 0xffff_ffffn)
    const region = createDmaRegion(device, { byteLength: 0x4000 })
    const mapping = dmaMapSingle(device, region.bytes.subarray(0, 4096), FromDevice)
    const registers = device.bar(0)
    registers.write32(0, toNumber(mapping.dmaAddress))
    registers.write32(4, byteLength)
    registers.write32(8, 1)
    return { machine, device, region, mapping }
  }

  it('is told of past the end of a page, where a burst ends, too', async () => {
    const { machine, mapping } = counting(8192)
    await machine.clock.sleep(10)
    expect(classes(machine)).toEqual([DmaMisuse.DevicePastEnd])
    mapping.unmap()
  })

  it('is at work while its mapping is ended', async () => {
    const { machine, mapping } = counting(4096)
    mapping.unmap()
    expect(classes(machine)).toEqual([DmaMisuse.DeviceLate])
    expect(machine.dmaErrors[0]!.message).toMatch(
      /the device is at work: it has 4096 bytes of them to write yet/,
    )
    expect((machine.dmaErrors[0] as DmaReport).misusedAt).toContain('device-access.test.ts')
  })

  it('is at rest once it may not use the bus', () => {
    const { machine, device, mapping } = counting(4096)
    device.clearMaster()
    mapping.unmap()
    expect(classes(machine)).toEqual([])
  })
})

it('a device that drives fewer address bits than an address has is told of by what was mapped', async () => {
  const machine = createFakeMachine()
  const { address } = machine.addDevice(new EduDevice())
  using device = openVfioDevice(address, { kernel: machine.kernel })
  device.setMaster()
  // What is forgotten: dmaSetMask(device, dmaBitMask(28)).
  dmaSetMask(device, 0xffff_ffffn)
  using region = createDmaRegion(device, { byteLength: 4096 })
  using mapping = dmaMapSingle(device, region.bytes.subarray(0, 64), FromDevice)
  const registers = device.bar(0)
  registers.write32(0x80, 0x40000)
  registers.writeAddress(0x88, mapping.dmaAddress)
  registers.write32(0x90, 64)
  registers.write32(0x98, 3)
  await machine.clock.sleep(100)
  expect(classes(machine)).toEqual([DmaMisuse.DeviceOutOfReach])
  const [report] = machine.dmaErrors as DmaReport[]
  expect(report).toMatchObject({ address: mapping.dmaAddress, hint: expect.stringContaining('dmaSetMask') })
  expect(report!.mappedAt).toContain('device-access.test.ts')
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

it('throws nothing out of a device that reads a copy of what the program has given away', () => {
  const { machine, hand, device } = open({ coherence: 'bounce' })
  const buffer = new ArrayBuffer(64)
  const mapping = dmaMapSingle(device, new Uint8Array(buffer), ToDevice)
  structuredClone(buffer, { transfer: [buffer] })
  hand.take(mapping.dmaAddress, 64)
  mapping.unmap()
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
