import { allocateDmaMemory } from '@linux-dma/core'
import { createFakeMachine } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { SgMiter, SgMiterFlag } from './miter'
import { SgTable } from './sg-table'

const page = 4096
const memory = allocateDmaMemory({ byteLength: 8 * page, kernel: createFakeMachine().kernel })
const table = SgTable.fromSegments(
  [
    { page: 0, byteOffset: 4000, byteLength: 5000 },
    { page: 2, byteOffset: 2 * page + 1, byteLength: 10 },
  ],
  { memory },
)

describe('SgMiter', () => {
  it('goes by the page, and to the page that an offset leads to', () => {
    const miter = new SgMiter(table, SgMiterFlag.FromSg)
    const steps: number[][] = []
    while (miter.next()) steps.push([miter.page, miter.bytes.byteOffset, miter.byteLength])
    expect(steps).toEqual([
      [0, 4000, 96],
      [1, page, page],
      [2, 2 * page, 808],
      [4, 4 * page + 1, 10],
    ])
    expect([miter.byteLength, miter.next()]).toEqual([0, false])
  })

  it('comes back with what was not consumed', () => {
    const miter = new SgMiter(table, SgMiterFlag.ToSg)
    miter.next()
    miter.consumed = 90
    miter.stop()
    miter.stop()
    expect(miter.bytes.byteLength).toBe(0)
    expect([miter.next(), miter.byteLength, miter.consumed]).toEqual([true, 6, 6])
    miter.consumed = 0
    expect([miter.next(), miter.byteLength]).toEqual([true, 6])
  })

  it('skips from where the last step was done with', () => {
    const miter = new SgMiter(table, SgMiterFlag.FromSg)
    miter.next()
    miter.consumed = 1
    expect([miter.skip(4994), miter.next(), miter.byteLength]).toEqual([true, true, 5])
    expect([miter.skip(10), miter.next()]).toEqual([true, false])
    expect([miter.skip(0), miter.skip(1)]).toEqual([true, false])
  })

  it('can be left in the middle of a loop, and gone on with', () => {
    const miter = new SgMiter(table, SgMiterFlag.FromSg | SgMiterFlag.Atomic)
    for (const step of miter) {
      step.consumed = 50
      break
    }
    expect(miter.byteLength).toBe(0)
    expect(Array.from(miter, ({ byteLength }) => byteLength)).toEqual([46, page, 808, 10])
  })

  it('writes to the memory itself', () => {
    for (const { bytes } of new SgMiter(table, SgMiterFlag.ToSg)) bytes.fill(0xee)
    expect(table.bytesAt(1).every((byte) => byte === 0xee)).toBe(true)
    expect(memory.bytes.reduce((count, byte) => count + (byte === 0xee ? 1 : 0), 0)).toBe(5010)
  })

  it.each([0, SgMiterFlag.Atomic, 8, 2.5, -1, Number.NaN, undefined as never])(
    'refuses flags %s',
    (flags) => {
      expect(() => new SgMiter(table, flags)).toThrow('DMA_INVALID_ARGUMENT')
    },
  )

  it.each([null, undefined, {}, [table]])('refuses what is no table: %s', (wrong) => {
    expect(() => new SgMiter(wrong as never, SgMiterFlag.FromSg)).toThrow('DMA_INVALID_ARGUMENT')
  })

  it('refuses to have consumed more than there was', () => {
    const miter = new SgMiter(table, SgMiterFlag.FromSg)
    miter.next()
    for (const wrong of [97, -1, 0.5, Number.NaN]) {
      expect(() => {
        miter.consumed = wrong
      }).toThrow('DMA_RANGE')
    }
    expect(miter.consumed).toBe(96)
    for (const wrong of [-1, 0.5, Number.NaN]) expect(() => miter.skip(wrong)).toThrow('DMA_RANGE')
  })

  it('refuses a table of frames, and memory that is gone', () => {
    expect(() => new SgMiter(SgTable.fromPages([1]), SgMiterFlag.FromSg)).toThrow('DMA_NO_CPU_VIEW')
    const bytes = new Uint8Array(10)
    const miter = new SgMiter(SgTable.fromBuffers([bytes]), SgMiterFlag.FromSg)
    structuredClone(bytes, { transfer: [bytes.buffer] })
    expect(() => miter.next()).toThrow('DMA_DETACHED')
  })
})
