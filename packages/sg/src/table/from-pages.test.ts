import { allocateDmaMemory } from '@linux-dma/core'
import { createFakeMachine } from '@linux-dma/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SgTable } from './sg-table'

const page = 4096
const { kernel } = createFakeMachine()
const memory = allocateDmaMemory({ byteLength: 32 * page, kernel })
memory.bytes.forEach((_, i, bytes) => {
  bytes[i] = (i >> 12) * 31 + i * 7
})

const pageLists = fc
  .array(fc.tuple(fc.nat(31), fc.integer({ min: 1, max: 8 })), { minLength: 1, maxLength: 12 })
  .map((runs) =>
    runs.flatMap(([first, length]) =>
      Array.from({ length }, (_, i) => first + i).filter((number) => number < 32),
    ),
  )
const limits = fc.integer({ min: page, max: 6 * page })

describe('SgTable.fromPages', () => {
  it('lists just the bytes asked for, in segments that keep to the limit', () => {
    fc.assert(
      fc.property(pageLists, limits, fc.nat(page - 1), fc.nat(), (pages, maxSegment, byteOffset, seed) => {
        const byteLength = 1 + (seed % (pages.length * page - byteOffset))
        const table = SgTable.fromPages(pages, { memory, byteOffset, byteLength, maxSegment })
        expect(table.byteLength).toBe(byteLength)
        const wanted = Buffer.concat(
          pages.map((number) => memory.bytes.subarray(number * page, (number + 1) * page)),
        )
        const bytes: Uint8Array[] = []
        let last = { page: -2, pages: 0 }
        for (const segment of table) {
          expect(segment.byteLength).toBeLessThanOrEqual(maxSegment - (maxSegment % page))
          expect(segment.byteOffset).toBe(segment.index === 0 ? byteOffset : 0)
          // Two that follow each other are two only because one would be too long.
          if (segment.page === last.page + last.pages) expect(last.pages).toBe(Math.floor(maxSegment / page))
          last = { page: segment.page, pages: Math.ceil((segment.byteOffset + segment.byteLength) / page) }
          bytes.push(segment.bytes)
        }
        expect(Buffer.concat(bytes).equals(wanted.subarray(byteOffset, byteOffset + byteLength))).toBe(true)
      }),
      { numRuns: 150 },
    )
  })

  it('gives the same for an array as for 32-bit numbers', () => {
    const pages = [7, 8, 9, 3, 4, 4]
    const segments = (table: SgTable) => Array.from(table, ({ page, byteLength }) => [page, byteLength])
    expect(segments(SgTable.fromPages(new Uint32Array(pages)))).toEqual(segments(SgTable.fromPages(pages)))
  })

  it.each([127, 128, 129, 254, 255, 256])('makes %i segments: where the kernel’s chains begin', (count) => {
    const pages = Uint32Array.from({ length: count }, (_, i) => 1000 - 2 * i)
    const table = SgTable.fromPages(pages)
    expect(table.origNents).toBe(count)
    expect(Array.from(table, (segment) => segment.page)).toEqual([...pages])
  })

  it('splits what 32 bits do not hold, and adds it up exactly', () => {
    const pages = Uint32Array.from({ length: 0x18_0000 }, (_, i) => 0x10_0000 + i)
    const table = SgTable.fromPages(pages, { byteOffset: 1 })
    expect(Array.from(table, ({ byteLength }) => byteLength)).toEqual([0xffff_efff, 0x8000_1000])
    expect(table.byteLength).toBe(0x1_8000_0000 - 1)
  })

  it('knows frames up to the last of 32 bits, and does not take 0 for the next one', () => {
    const table = SgTable.fromPages([0xffff_fffe, 0xffff_ffff])
    expect([table.origNents, table.pageAt(0), table.byteLength]).toEqual([1, 0xffff_fffe, 2 * page])
    expect(() => SgTable.fromPages([0xffff_ffff, 0])).toThrow('DMA_NO_FRAME')
    expect(() => SgTable.fromPages([3, 4, 0, 1])).toThrow('DMA_NO_FRAME')
  })

  it('has pages of another size', () => {
    const table = SgTable.fromPages([1, 2, 4], { pageSize: 65536, byteOffset: 5000, maxSegment: 131072 })
    expect(Array.from(table, ({ page, byteOffset, byteLength }) => [page, byteOffset, byteLength])).toEqual([
      [1, 5000, 126072],
      [4, 0, 65536],
    ])
  })

  it('uses no pages behind the last byte, wrong ones neither', () => {
    const table = SgTable.fromPages([1, 2, 9, 99], { memory, byteLength: page + 1 })
    expect([table.origNents, table.byteLength]).toEqual([1, page + 1])
  })

  it.each<[string, unknown, object, string]>([
    ['no pages', [], {}, 'DMA_INVALID_ARGUMENT'],
    ['what is no list', 'abc', {}, 'DMA_INVALID_ARGUMENT'],
    ['a bigint', [1n], {}, 'DMA_INVALID_ARGUMENT'],
    ['a fraction', [1.5], {}, 'DMA_INVALID_ARGUMENT'],
    ['a hole', Array(1), {}, 'DMA_INVALID_ARGUMENT'],
    ['a negative number', [-1], {}, 'DMA_INVALID_ARGUMENT'],
    ['2^32', [2 ** 32], {}, 'DMA_INVALID_ARGUMENT'],
    ['signed numbers', new Int32Array([1]), {}, 'DMA_INVALID_ARGUMENT'],
    ['frame 0', [0], {}, 'DMA_NO_FRAME'],
    ['a page behind the memory', [31, 32], { memory }, 'DMA_RANGE'],
    ['a page far behind it', [0xffff_ffff], { memory }, 'DMA_RANGE'],
    ['an offset of a page', [1, 2], { byteOffset: page }, 'DMA_RANGE'],
    ['a negative offset', [1], { byteOffset: -1 }, 'DMA_RANGE'],
    ['an offset that is NaN', [1], { byteOffset: Number.NaN }, 'DMA_RANGE'],
    ['no bytes', [1], { byteLength: 0 }, 'DMA_RANGE'],
    ['too many bytes', [1, 2], { byteOffset: 1, byteLength: 2 * page }, 'DMA_RANGE'],
    ['a bigint of bytes', [1], { byteLength: 1n }, 'DMA_RANGE'],
    ['a limit below a page', [1], { maxSegment: page - 1 }, 'DMA_INVALID_ARGUMENT'],
    ['a limit of more than 32 bits', [1], { maxSegment: 2 ** 32 }, 'DMA_INVALID_ARGUMENT'],
    ['a limit that is NaN', [1], { maxSegment: Number.NaN }, 'DMA_INVALID_ARGUMENT'],
    ['a page size of 5000', [1], { pageSize: 5000 }, 'DMA_INVALID_ARGUMENT'],
    ['a page size that is not the memory’s', [1], { memory, pageSize: 8192 }, 'DMA_INVALID_ARGUMENT'],
    ['memory that is none', [1], { memory: memory.bytes }, 'DMA_INVALID_ARGUMENT'],
    ['a misspelled option', [1], { maxSegments: 1 }, 'DMA_INVALID_ARGUMENT'],
  ])('refuses %s', (_what, pages, options, code) => {
    expect(() => SgTable.fromPages(pages as number[], options)).toThrow(code)
  })

  it('refuses a list whose buffer is detached', () => {
    const pages = new Uint32Array([1, 2])
    structuredClone(pages, { transfer: [pages.buffer] })
    expect(() => SgTable.fromPages(pages)).toThrow('DMA_INVALID_ARGUMENT')
  })

  it('believes the engine about a list, not the list', () => {
    const pages = Object.defineProperty(new Uint32Array([5]), 'length', { value: 1000 })
    expect(SgTable.fromPages(pages).byteLength).toBe(page)
  })

  it('refuses memory that is closed, and says so when it is closed later', () => {
    const late = allocateDmaMemory({ byteLength: page, kernel })
    const table = SgTable.fromPages([0], { memory: late })
    late.close()
    expect(() => table.bytesAt(0)).toThrow('DMA_CLOSED')
    expect(() => SgTable.fromPages([0], { memory: late })).toThrow('DMA_CLOSED')
  })
})
