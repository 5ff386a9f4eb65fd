import { describe, expect, it } from 'vitest'
import { SgAppendTable } from './append-table'
import { SgTable } from './sg-table'

/*
 * The cases of the kernel's own test of this code, tools/testing/scatterlist: page frames, those appended to them, bytes,
 * longest segment, and how many segments that gives. It counts frames from 1 on as well: frame 0 is none.
 */
const page = 4096
const most = 0xffff_ffff
const cases: [
  pages: number[],
  appended: number[],
  byteLength: number,
  maxSegment: number,
  segments: number,
][] = [
  [[0], [], page, page + 1, 1],
  [[0], [], page, most, 1],
  [[0], [], 1, most, 1],
  [[0, 1], [], 2 * page, most, 1],
  [[1, 0], [], 2 * page, most, 2],
  [[0, 1, 2], [], 3 * page, most, 1],
  [[0, 1, 2], [], 3 * page, most, 1],
  [[0, 1, 2], [3, 4, 5], 3 * page, most, 1],
  [[0, 1, 2], [4, 5, 6], 3 * page, most, 2],
  [[0, 2, 1], [], 3 * page, most, 3],
  [[0, 1, 3], [], 3 * page, most, 2],
  [[1, 2, 4], [], 3 * page, most, 2],
  [[1, 3, 4], [], 3 * page, most, 2],
  [[0, 1, 3, 4], [], 4 * page, most, 2],
  [[0, 1, 3, 4, 5], [], 5 * page, most, 2],
  [[0, 1, 3, 4, 6], [], 5 * page, most, 3],
  [[0, 1, 2, 3, 4], [], 5 * page, most, 1],
  [[0, 1, 2, 3, 4], [], 5 * page, 2 * page, 3],
  [[0, 1, 2, 3, 4, 5], [], 6 * page, 2 * page, 3],
  [[0, 2, 3, 4, 5, 6], [], 6 * page, 2 * page, 4],
  [[0, 1, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12], 6 * page, 12 * page, 2],
]

describe('the cases of the kernel’s own scatterlist test', () => {
  it.each(cases)(
    'pages %j, then %j: %i bytes, at most %i each, are %i segments',
    (pages, appended, byteLength, maxSegment, segments) => {
      const append = new SgAppendTable()
      append.appendPages(fromOne(pages), { byteLength, maxSegment })
      if (appended.length > 0) append.appendPages(fromOne(appended), { byteLength, maxSegment })
      expect(append.origNents).toBe(segments)
      expect(append.toTable().byteLength).toBe(byteLength * (appended.length > 0 ? 2 : 1))
      if (appended.length > 0) return
      const table = SgTable.fromPages(fromOne(pages), { byteLength, maxSegment })
      expect(table.origNents).toBe(segments)
    },
  )

  it('refuses a longest segment below a page', () => {
    expect(() => SgTable.fromPages([1], { byteLength: page, maxSegment: 0 })).toThrow(
      /DMA_INVALID_ARGUMENT: maxSegment is 0/,
    )
  })
})

function fromOne(pages: number[]): number[] {
  return pages.map((number) => number + 1)
}
