import { allocateDmaMemory, type DmaMemory } from '@linux-dma/core'
import { createFakeMachine } from '@linux-dma/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SgTable, spaceOf } from './sg-table'

const page = 4096
const machine = createFakeMachine()
const allocate = (pages: number): DmaMemory =>
  allocateDmaMemory({ byteLength: pages * page, kernel: machine.kernel })
const sources = [
  allocate(4).bytes,
  allocate(3).bytes,
  new Uint8Array(9000),
  new Uint8Array(new SharedArrayBuffer(5000)),
]
for (const [seed, bytes] of sources.entries()) {
  bytes.forEach((_, i) => {
    bytes[i] = seed * 57 + i * 3 + (i >> 8)
  })
}

const views = fc
  .array(fc.tuple(fc.nat(sources.length - 1), fc.nat(), fc.nat()), { minLength: 1, maxLength: 12 })
  .map((list) =>
    list.map(([which, a, b]) => {
      const bytes = sources[which]!
      const byteOffset = a % bytes.byteLength
      return bytes.subarray(byteOffset, byteOffset + 1 + (b % (bytes.byteLength - byteOffset)))
    }),
  )

const segmentsOf = (table: SgTable) =>
  Array.from(table, ({ page, byteOffset, byteLength }) => [page, byteOffset, byteLength])

describe('SgTable.fromBuffers', () => {
  it('lists the bytes of all views, in their order', () => {
    fc.assert(
      fc.property(views, fc.integer({ min: page, max: 4 * page }), (list, maxSegment) => {
        const table = SgTable.fromBuffers(list, { maxSegment })
        const bytes = Buffer.concat(list)
        expect(table.byteLength).toBe(bytes.length)
        expect(Buffer.concat(Array.from(table, (segment) => segment.bytes)).equals(bytes)).toBe(true)
        for (const { byteOffset, byteLength } of table) {
          expect(byteOffset).toBeLessThan(page)
          expect(byteOffset + byteLength).toBeLessThanOrEqual(maxSegment - (maxSegment % page))
        }
      }),
      { numRuns: 150 },
    )
  })

  it('takes a view that was cut in pieces for what it was', () => {
    const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 4 * page - 1 }), { maxLength: 6 })
    fc.assert(
      fc.property(cuts, fc.integer({ min: page, max: 4 * page }), (unsorted, maxSegment) => {
        const at = [0, ...unsorted.toSorted((a, b) => a - b), 4 * page]
        const pieces = at.slice(1).map((end, i) => sources[0]!.subarray(at[i], end))
        expect(segmentsOf(SgTable.fromBuffers(pieces, { maxSegment }))).toEqual(
          segmentsOf(SgTable.fromBuffers([sources[0]!], { maxSegment })),
        )
      }),
    )
  })

  it('splits at whole pages, the first segment by its offset shorter', () => {
    const table = SgTable.fromBuffers([sources[0]!.subarray(100, 4 * page - 5)], { maxSegment: 2 * page + 1 })
    expect(segmentsOf(table)).toEqual([
      [0, 100, 2 * page - 100],
      [2, 0, 2 * page - 5],
    ])
  })

  it('never takes two sources for neighbours, though one ends where its page does', () => {
    const table = SgTable.fromBuffers([sources[0]!, sources[1]!])
    expect(segmentsOf(table)).toEqual([
      [0, 0, 4 * page],
      [5, 0, 3 * page],
    ])
    expect(spaceOf(table).sourceOf(5).memory).not.toBe(spaceOf(table).sourceOf(3).memory)
    expect(spaceOf(table).sourceOf(7)).toBe(spaceOf(table).sourceOf(5))
  })

  it('sees buffers of all kinds, where they lie', () => {
    const heap = new ArrayBuffer(32)
    const table = SgTable.fromBuffers([
      new DataView(heap, 8, 4),
      Buffer.from(heap, 12, 4),
      new Float64Array(heap, 16, 1),
    ])
    expect(segmentsOf(table)).toEqual([[0, 8, 16]])
    expect(spaceOf(table).sourceOf(0).memory).toBeUndefined()
    expect(table.bytesAt(0).buffer).toBe(heap)
  })

  it('keeps to the memory’s own pages', () => {
    const { kernel } = createFakeMachine()
    const large = new Proxy(kernel, {
      get(target, name) {
        if (name === 'pageSize') return 16384
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    using memory = allocateDmaMemory({ byteLength: 65536, kernel: large })
    const table = SgTable.fromBuffers([memory.bytes.subarray(20000)], { maxSegment: 16384 })
    expect(segmentsOf(table).slice(0, 2)).toEqual([
      [1, 3616, 12768],
      [2, 0, 16384],
    ])
    expect(() => SgTable.fromBuffers([memory.bytes, sources[0]!])).toThrow('DMA_INVALID_ARGUMENT')
  })

  it.each<[string, unknown, object, string]>([
    ['an empty list', [], {}, 'DMA_INVALID_ARGUMENT'],
    ['a view for the list', new Uint8Array(4), {}, 'DMA_INVALID_ARGUMENT'],
    ['an ArrayBuffer', [new ArrayBuffer(4)], {}, 'DMA_INVALID_ARGUMENT'],
    ['a string', ['abc'], {}, 'DMA_INVALID_ARGUMENT'],
    ['a hole', Array(1), {}, 'DMA_INVALID_ARGUMENT'],
    ['an empty view', [new Uint8Array(4), new Uint8Array(0)], {}, 'DMA_RANGE'],
    ['a resizable buffer', [new Uint8Array(resizable())], {}, 'DMA_RESIZABLE'],
    ['a limit below a page', [new Uint8Array(4)], { maxSegment: 100 }, 'DMA_INVALID_ARGUMENT'],
    ['a misspelled option', [new Uint8Array(4)], { maxsegment: 4096 }, 'DMA_INVALID_ARGUMENT'],
  ])('refuses %s', (_what, list, options, code) => {
    expect(() => SgTable.fromBuffers(list as never, options)).toThrow(code)
  })

  it('refuses detached buffers and closed memory, at once or when they are reached for', () => {
    const bytes = new Uint8Array(100)
    const memory = allocate(1)
    const table = SgTable.fromBuffers([bytes, memory.bytes])
    structuredClone(bytes, { transfer: [bytes.buffer] })
    memory.close()
    expect(() => SgTable.fromBuffers([bytes])).toThrow('DMA_DETACHED')
    expect(() => table.bytesAt(0)).toThrow('DMA_DETACHED')
    expect(() => table.bytesAt(1)).toThrow('DMA_CLOSED')
  })

  it('looks at each view once, whatever it says of itself', () => {
    const liar = Object.defineProperty(new Uint8Array(8), 'byteLength', { value: 1 << 30 })
    expect(SgTable.fromBuffers([liar]).byteLength).toBe(8)
  })

  it('finds its way among many buffers', () => {
    const list = Array.from({ length: 300 }, (_, i) => new Uint8Array(1 + (i % 7)).fill(i))
    const table = SgTable.fromBuffers(list)
    expect(table.origNents).toBe(300)
    for (const i of [299, 0, 150, 7, 149]) expect([...table.bytesAt(i)]).toEqual([...list[i]!])
  })
})

function resizable(): ArrayBuffer {
  return new (ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer)(8, {
    maxByteLength: 16,
  })
}
