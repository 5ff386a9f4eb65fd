import { allocateDmaMemory } from '@linux-dma/core'
import { createFakeMachine } from '@linux-dma/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SgAppendTable } from './append-table'
import { SgTable } from './sg-table'

const page = 4096
const memory = allocateDmaMemory({ byteLength: 16 * page, kernel: createFakeMachine().kernel })
const segmentsOf = (table: SgTable) =>
  Array.from(table, ({ page, byteOffset, byteLength }) => [page, byteOffset, byteLength])

describe('SgAppendTable', () => {
  it('gives what one call with all pages gives, where each call ends with a page', () => {
    const runs = fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 9 })), {
      minLength: 1,
    })
    const calls = fc.array(runs, { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(
        calls,
        fc.integer({ min: page, max: 8 * page }),
        fc.nat(page - 1),
        (list, maxSegment, byteOffset) => {
          const append = new SgAppendTable()
          const lists = list.map((call) =>
            call.flatMap(([first, length]) => Array.from({ length }, (_, i) => first + i)),
          )
          lists.forEach((pages, i) => {
            append.appendPages(pages, { maxSegment, byteOffset: i === 0 ? byteOffset : 0 })
          })
          const whole = SgTable.fromPages(lists.flat(), { maxSegment, byteOffset })
          expect(segmentsOf(append.toTable())).toEqual(segmentsOf(whole))
          expect([append.origNents, append.byteLength]).toEqual([whole.origNents, whole.byteLength])
        },
      ),
    )
  })

  it('ends where the bytes do, also in a segment that was there', () => {
    const append = new SgAppendTable({ memory })
    append.appendPages([3, 4])
    append.appendPages([5, 6], { byteLength: page + 10 })
    expect(segmentsOf(append.toTable())).toEqual([[3, 0, 3 * page + 10]])
  })

  it('begins a segment behind one that ends within a page, whichever page comes', () => {
    for (const next of [4, 5]) {
      const append = new SgAppendTable({ memory })
      append.appendPages([3, 4], { byteLength: 2 * page - 1 })
      append.appendPages([next])
      expect(segmentsOf(append.toTable())).toEqual([
        [3, 0, 2 * page - 1],
        [next, 0, page],
      ])
    }
  })

  it('does not grow over the end of its memory', () => {
    const append = new SgAppendTable({ memory })
    append.appendPages([15])
    expect(() => append.appendPages([16])).toThrow('DMA_RANGE')
    expect(segmentsOf(append.toTable())).toEqual([[15, 0, page]])
  })

  it('is as it was before when pages are refused', () => {
    const append = new SgAppendTable({ memory })
    append.appendPages([1], { byteOffset: 100 })
    const before = segmentsOf(append.toTable())
    expect(() => append.appendPages([2, 3, 7, 99])).toThrow('DMA_RANGE')
    expect(() => append.appendPages([2], { byteOffset: 1 })).toThrow('DMA_INVALID_ARGUMENT')
    expect(() => append.appendPages([2], { maxSegment: 1 })).toThrow('DMA_INVALID_ARGUMENT')
    expect(() => append.appendPages([], {})).toThrow('DMA_INVALID_ARGUMENT')
    expect(() => append.appendPages([2], { offset: 0 } as never)).toThrow('DMA_INVALID_ARGUMENT')
    expect(segmentsOf(append.toTable())).toEqual(before)
    append.appendPages([9])
    expect(segmentsOf(append.toTable())).toEqual([...before, [9, 0, page]])
  })

  it('starts anew when its first pages are refused', () => {
    const append = new SgAppendTable({ memory })
    expect(() => append.appendPages([1, 99], { byteOffset: 100 })).toThrow('DMA_RANGE')
    append.appendPages([2])
    expect(segmentsOf(append.toTable())).toEqual([[2, 0, page]])
  })

  it('gives tables of what was there', () => {
    const append = new SgAppendTable()
    expect(() => append.toTable()).toThrow('DMA_INVALID_ARGUMENT')
    append.appendPages([1])
    const first = append.toTable()
    append.appendPages([2])
    expect([first.byteLength, append.toTable().byteLength]).toEqual([page, 2 * page])
  })

  it('refuses wrong options', () => {
    expect(() => new SgAppendTable({ memory: {} as never })).toThrow('DMA_INVALID_ARGUMENT')
    expect(() => new SgAppendTable({ maxSegment: 1 } as never)).toThrow('DMA_INVALID_ARGUMENT')
  })
})
