import { dmaFreeCoherent } from '@linux-dma/core'
import { describe, expect, it } from 'vitest'
import { openDevice } from '../fixtures/opened-device'
import { outcome } from '../fixtures/outcome'
import { defineDevice } from './define-device'
import { defineStruct } from './struct-layout'

const descriptor = defineStruct({
  byteLength: 16,
  fields: {
    address: { offset: 0, width: 64 },
    length: { offset: 8, width: 16 },
    status: { offset: 12, width: 32 },
  },
})

const dmaDevice = defineDevice(
  {
    name: 'dma',
    identity: { vendor: 0x1234, device: 0x0001 },
    bars: [
      { byteLength: 64, registers: { base: { offset: 0, width: 64 }, entries: { offset: 8, width: 32 } } },
    ],
  },
  ({ registers, engine, ring }) => {
    const memory = engine({ bytesPerMillisecond: 1000, burstBytes: 100 })
    const place = { base: () => registers.base.value, entries: () => registers.entries.value }
    return { side: { memory, ring: ring(descriptor, place) } }
  },
)

function opened() {
  const host = openDevice(dmaDevice())
  const buffer = host.allocate(4096)
  const address = Number(buffer.dmaAddress)
  return { ...host, buffer, address, ...host.model.side }
}

describe('an engine', () => {
  it('copies at its rate, burst by burst', () => {
    const { machine, buffer, address, memory } = opened()
    const seen: unknown[] = []
    memory.write(address, new Uint8Array(250).fill(7), (complete) => seen.push(complete))
    machine.clock.advance(0.1)
    expect([buffer.bytes[99], buffer.bytes[100], memory.busy]).toEqual([7, 0, true])
    machine.clock.advance(0.149)
    expect([buffer.bytes[249], seen.length]).toEqual([0, 0])
    machine.clock.advance(0.002)
    expect([buffer.bytes[249], seen, memory.busy]).toEqual([7, [true], false])
    memory.read(address, 3, (bytes, complete) => seen.push([...bytes, complete]))
    memory.read(address, 0, (bytes) => seen.push(bytes.byteLength))
    machine.clock.advance(0.004)
    expect(seen).toEqual([true, [7, 7, 7, true], 0])
  })

  it('takes what is written when the burst comes, and ends where memory has gone', () => {
    const { machine, device, buffer, address, memory } = opened()
    const seen: unknown[] = []
    memory.read(address, 300, (bytes, complete) => seen.push([bytes[50], bytes[150], bytes[250], complete]))
    machine.clock.advance(0.15)
    buffer.bytes.fill(9)
    machine.clock.advance(0.1)
    dmaFreeCoherent(device, buffer)
    machine.clock.advance(1)
    expect(seen).toEqual([[0, 9, 0, false]])
    expect(machine.faults).toMatchObject([{ byteLength: 100, direction: 'read' }])
  })

  it('stops when told to, and at a reset', () => {
    const { machine, address, memory, device } = opened()
    const seen: unknown[] = []
    memory.write(address, new Uint8Array(100).fill(1), () => seen.push(1))
    memory.write(address, new Uint8Array(100).fill(2), () => seen.push(2))
    memory.stop()
    expect(memory.busy).toBe(false)
    memory.write(address, new Uint8Array(200).fill(3), () => seen.push(3))
    machine.clock.advance(0.1)
    device.reset()
    machine.clock.advance(1)
    expect([seen, memory.busy, machine.faults]).toEqual([[], false, []])
  })

  it('refuses a rate that is none', () => {
    const make = (bytesPerMillisecond: number, burstBytes = 1) =>
      defineDevice(
        { name: 'e', identity: { vendor: 1, device: 1 }, bars: [{ byteLength: 16 }] },
        ({ engine }) => {
          engine({ bytesPerMillisecond, burstBytes })
          return {}
        },
      )
    for (const rate of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(outcome(() => make(rate)())).toBe('DMA_INVALID_ARGUMENT')
    expect(outcome(() => make(1, 0)())).toBe('DMA_INVALID_ARGUMENT')
  })
})

describe('a ring', () => {
  it('is walked from head to tail, and round', () => {
    const { registers, buffer, ring } = opened()
    registers.writeAddress(0, buffer.dmaAddress)
    registers.write32(8, 3)
    expect([ring.available(0), ring.take(0)]).toEqual([0, undefined])
    for (const index of [0, 1, 2]) {
      descriptor.encode({ address: BigInt(index), length: index }, buffer.bytes.subarray(index * 16))
    }
    expect(ring.available(2)).toBe(2)
    expect(ring.take(2)).toEqual({ index: 0, values: { address: 0n, length: 0, status: 0 } })
    expect(ring.take(2)?.values?.length).toBe(1)
    expect(ring.take(2)).toBeUndefined()
    expect([ring.take(1)?.index, ring.take(1)?.index, ring.take(1)]).toEqual([2, 0, undefined])
    // A tail that is not in the ring would never be reached.
    expect(ring.available(3)).toBe(0)
  })

  it('gets fields written back, and no others', () => {
    const { registers, buffer, ring } = opened()
    registers.writeAddress(0, buffer.dmaAddress)
    registers.write32(8, 3)
    buffer.bytes.fill(0xee, 0, 48)
    expect(ring.writeBack(1, { length: 0x1_0002, status: 1 })).toBe(true)
    expect([...buffer.bytes.subarray(22, 34)]).toEqual([0xee, 0xee, 2, 0, 0xee, 0xee, 1, 0, 0, 0, 0xee, 0xee])
  })

  it('says where memory is missing', () => {
    const { registers, machine, ring } = opened()
    registers.writeAddress(0, 0x900000 as never)
    registers.write32(8, 2)
    expect(ring.take(1)).toEqual({ index: 0, values: undefined })
    expect(ring.writeBack(0, { status: 1 })).toBe(false)
    expect(machine.faults.map(({ address }) => address)).toEqual([0x900000, 0x90000c])
  })
})

describe('a structure', () => {
  it('has fields of each width, in either order of bytes', () => {
    const big = defineStruct({
      byteLength: 16,
      endian: 'big',
      fields: {
        kind: { offset: 0, width: 8 },
        size: { offset: 1, width: 16 },
        id: { offset: 3, width: 32 },
        at: { offset: 8, width: 64 },
      },
    })
    const values = { kind: 1, size: 0x0203, id: 0x0405_0607, at: 0x0809_0a0b_0c0d_0e0fn }
    const bytes = big.encode(values)
    expect([...bytes]).toEqual([1, 2, 3, 4, 5, 6, 7, 0, 8, 9, 10, 11, 12, 13, 14, 15])
    expect(big.decode(bytes)).toEqual(values)
    expect(big.place('size')).toEqual({ offset: 1, byteLength: 2 })
  })

  it('is refused where its fields cannot be', () => {
    const bad = [
      { byteLength: 4, fields: { a: { offset: 2, width: 32 } } },
      { byteLength: 4, fields: { a: { offset: 0, width: 16 }, b: { offset: 1, width: 8 } } },
      { byteLength: 4, fields: { a: { offset: 0, width: 12 } } },
      { byteLength: 4, fields: { a: { offset: -1, width: 8 } } },
      { byteLength: 0, fields: {} },
      { byteLength: 4, fields: {}, size: 3 },
    ]
    for (const one of bad) expect(outcome(() => defineStruct(one as never))).toBe('DMA_INVALID_ARGUMENT')
    expect(outcome(() => descriptor.encode({ lenght: 1 } as never))).toBe('DMA_INVALID_ARGUMENT')
  })
})
