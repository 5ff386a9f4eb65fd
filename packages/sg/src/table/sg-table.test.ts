import { allocateDmaMemory } from '@linux-dma/core'
import { createFakeMachine } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { SgTable } from './sg-table'

const page = 4096
const memory = allocateDmaMemory({ byteLength: 4 * page, kernel: createFakeMachine().kernel })
const table = SgTable.fromPages([0, 2, 3], { memory, byteOffset: 10, byteLength: 3 * page - 20 })

describe('SgTable', () => {
  it('tells of each segment', () => {
    expect([table.pageAt(1), table.offsetAt(1), table.lengthAt(1)]).toEqual([2, 0, 2 * page - 10])
    expect([table.bytesAt(1).byteOffset, table.bytesAt(1).byteLength]).toEqual([2 * page, 2 * page - 10])
    expect([table.origNents, table.byteLength, table.pageSize]).toEqual([2, 3 * page - 20, page])
  })

  it('does not compile where its arrays are reached for', () => {
    // @ts-expect-error: they are what a device is told
    expect(table.segments.count).toBe(2)
    // @ts-expect-error: and what their page numbers mean
    expect(table.space.physical).toBe(false)
  })

  it.each([-1, 2, 0.5, Number.NaN, 2 ** 32])('has no segment %s', (index) => {
    for (const ask of ['pageAt', 'offsetAt', 'lengthAt', 'bytesAt'] as const) {
      expect(() => table[ask](index)).toThrow('DMA_RANGE')
    }
  })

  it('is gone through with one cursor, and one in each loop', () => {
    const cursors = new Set([...table])
    expect(cursors.size).toBe(1)
    const pairs: number[][] = []
    for (const outer of table) for (const inner of table) pairs.push([outer.index, inner.index])
    expect(pairs).toEqual([
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ])
    const iterator = table[Symbol.iterator]()
    iterator.next()
    iterator.next()
    expect([iterator.next().done, iterator.next().done]).toEqual([true, true])
  })

  it('counts the segments that so many bytes need', () => {
    const first = table.lengthAt(0)
    expect([0, 1, first, first + 1, table.byteLength].map((length) => table.nentsForLength(length))).toEqual([
      0, 1, 1, 2, 2,
    ])
    for (const wrong of [table.byteLength + 1, -1, 0.5, Number.NaN, 1n as never]) {
      expect(() => table.nentsForLength(wrong)).toThrow('DMA_RANGE')
    }
  })
})

describe('SgTable.fromSegments', () => {
  it('keeps segments as they are', () => {
    const list = [
      { page: 1, byteLength: page },
      { page: 2, byteLength: page },
      { page: 0, byteOffset: 3 * page, byteLength: page },
    ]
    const table = SgTable.fromSegments(list, { memory })
    expect(Array.from(table, ({ page, byteOffset, byteLength }) => [page, byteOffset, byteLength])).toEqual([
      [1, 0, page],
      [2, 0, page],
      [0, 3 * page, page],
    ])
    expect(table.bytesAt(2).byteOffset).toBe(3 * page)
  })

  it.each<[string, unknown, object, string]>([
    ['none', [], {}, 'DMA_INVALID_ARGUMENT'],
    ['what is no list', { page: 1 }, {}, 'DMA_INVALID_ARGUMENT'],
    ['an empty one', [{ page: 1, byteLength: 0 }], {}, 'DMA_RANGE'],
    ['one without a length', [{ page: 1 }], {}, 'DMA_RANGE'],
    ['one without a page', [{ byteLength: 1 }], {}, 'DMA_RANGE'],
    ['what is none', [null], {}, 'DMA_INVALID_ARGUMENT'],
    ['a negative offset', [{ page: 1, byteOffset: -1, byteLength: 1 }], {}, 'DMA_RANGE'],
    ['one too long for 32 bits', [{ page: 1, byteOffset: page, byteLength: 0xffff_f000 }], {}, 'DMA_RANGE'],
    ['frame 0', [{ page: 0, byteLength: 1 }], {}, 'DMA_NO_FRAME'],
    ['one behind the last frame', [{ page: 0xffff_ffff, byteOffset: page, byteLength: 1 }], {}, 'DMA_RANGE'],
    [
      'one that ends behind the memory',
      [{ page: 3, byteOffset: 1, byteLength: page }],
      { memory },
      'DMA_RANGE',
    ],
  ])('refuses %s', (_what, list, options, code) => {
    expect(() => SgTable.fromSegments(list as never, options)).toThrow(code)
  })
})
