import { allocateDmaMemory } from '@linux-dma/core'
import { createFakeMachine } from '@linux-dma/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SgMiter, SgMiterFlag } from './miter'
import { SgTable } from './sg-table'

const page = 4096
const { kernel } = createFakeMachine()
const memory = allocateDmaMemory({ byteLength: 4 * page, kernel })

/** A table of memory and heap buffers, nothing listed twice. */
const tables = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 6 }).map((lengths) => {
  memory.bytes.fill(0)
  return SgTable.fromBuffers(
    lengths.map((length, i) =>
      i % 2 === 0
        ? new Uint8Array(length)
        : memory.bytes.subarray(i * 3000 - 3000, i * 3000 - 3000 + Math.min(length, 2999)),
    ),
  )
})
const content = (length: number, seed: number) =>
  Uint8Array.from({ length }, (_, i) => 1 + ((i * 7 + seed) % 255))
const all = (table: SgTable) => {
  const bytes = new Uint8Array(table.byteLength)
  expect(table.copyToBuffer(bytes)).toBe(bytes.length)
  return bytes
}

describe('copying', () => {
  it('gives back what was put in, and touches nothing else', () => {
    fc.assert(
      fc.property(tables, fc.nat(), fc.nat(12000), fc.nat(255), (table, a, length, seed) => {
        const skip = a % (table.byteLength + 10)
        const bytes = content(length, seed)
        const expected = Math.max(0, Math.min(length, table.byteLength - skip))
        expect(table.copyFromBuffer(bytes, skip)).toBe(expected)
        const back = new Uint8Array(length)
        expect(table.copyToBuffer(back, skip)).toBe(expected)
        expect(Buffer.compare(back.subarray(0, expected), bytes.subarray(0, expected))).toBe(0)
        const whole = all(table)
        expect(whole.subarray(0, skip).every((byte) => byte === 0)).toBe(true)
        expect(whole.subarray(skip + expected).every((byte) => byte === 0)).toBe(true)
        expect(table.zero(length, skip)).toBe(expected)
        expect(all(table).every((byte) => byte === 0)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('is what an SgMiter sees', () => {
    fc.assert(
      fc.property(tables, fc.nat(255), fc.array(fc.nat(page), { maxLength: 30 }), (table, seed, reads) => {
        table.copyFromBuffer(content(table.byteLength, seed))
        const seen: Uint8Array[] = []
        let step = 0
        for (const miter of new SgMiter(table, SgMiterFlag.FromSg)) {
          miter.consumed = Math.min(miter.byteLength, reads[step++] ?? page)
          seen.push(miter.bytes.subarray(0, miter.consumed))
        }
        expect(Buffer.concat(seen).equals(all(table))).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('takes buffers of any kind', () => {
    const table = SgTable.fromBuffers([new Uint8Array(16)])
    expect(table.copyFromBuffer(new Uint16Array([0x201, 0x403]), 2)).toBe(4)
    const view = new DataView(new ArrayBuffer(10), 2, 8)
    expect(table.copyToBuffer(view)).toBe(8)
    expect([...new Uint8Array(view.buffer)]).toEqual([0, 0, 0, 0, 1, 2, 3, 4, 0, 0])
    expect(table.copyToBuffer(new Uint8Array(0))).toBe(0)
  })

  it('zeroes all by default', () => {
    const bytes = new Uint8Array(5000).fill(1)
    expect(SgTable.fromBuffers([bytes.subarray(10)]).zero()).toBe(4990)
    expect([bytes.indexOf(0), bytes.lastIndexOf(1)]).toEqual([10, 9])
  })

  it('ends with the table, not with its memory', () => {
    const table = SgTable.fromBuffers([memory.bytes.subarray(0, 10)])
    expect(table.copyToBuffer(new Uint8Array(100), 10)).toBe(0)
    expect(table.copyToBuffer(new Uint8Array(100), 2 ** 40)).toBe(0)
    expect(table.copyToBuffer(new Uint8Array(100), 9)).toBe(1)
  })

  it.each<[string, (table: SgTable) => unknown, string]>([
    ['a negative skip', (table) => table.copyToBuffer(new Uint8Array(1), -1), 'DMA_RANGE'],
    ['a skip that is NaN', (table) => table.copyFromBuffer(new Uint8Array(1), Number.NaN), 'DMA_RANGE'],
    ['a skip of half a byte', (table) => table.zero(1, 0.5), 'DMA_RANGE'],
    ['a negative length', (table) => table.zero(-1), 'DMA_RANGE'],
    ['a bigint length', (table) => table.zero(1n as never), 'DMA_RANGE'],
    ['what is no buffer', (table) => table.copyToBuffer([1] as never), 'DMA_INVALID_ARGUMENT'],
    ['an ArrayBuffer', (table) => table.copyToBuffer(new ArrayBuffer(1) as never), 'DMA_INVALID_ARGUMENT'],
  ])('refuses %s', (_what, use, code) => {
    expect(() => use(SgTable.fromBuffers([new Uint8Array(10)]))).toThrow(code)
  })

  it('copies nothing when a part of what it would reach is gone', () => {
    const late = allocateDmaMemory({ byteLength: page, kernel })
    const first = new Uint8Array(10)
    const table = SgTable.fromBuffers([first, late.bytes])
    late.close()
    expect(() => table.copyFromBuffer(new Uint8Array(20).fill(1))).toThrow('DMA_CLOSED')
    expect(() => table.zero()).toThrow('DMA_CLOSED')
    expect(first.every((byte) => byte === 0)).toBe(true)
    expect(table.copyFromBuffer(new Uint8Array(10).fill(1))).toBe(10)
  })
})
