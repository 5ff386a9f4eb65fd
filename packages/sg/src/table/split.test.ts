import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SgTable } from './sg-table'

const segmentsOf = (table: SgTable) =>
  Array.from(table, ({ page, byteOffset, byteLength }) => [page, byteOffset, byteLength])

const lengths = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 })

function tableOf(list: number[]): SgTable {
  return SgTable.fromBuffers(list.map((length, i) => Uint8Array.from({ length }, (_, at) => i * 50 + at)))
}

describe('SgTable.split', () => {
  it('gives back the whole in its parts', () => {
    fc.assert(
      fc.property(lengths, fc.nat(), fc.array(fc.nat(), { minLength: 1, maxLength: 6 }), (list, a, seeds) => {
        const table = tableOf(list)
        const skip = a % table.byteLength
        const sizes: number[] = []
        let left = table.byteLength - skip
        for (const seed of seeds) {
          if (left === 0) break
          sizes.push(1 + (seed % left))
          left -= sizes.at(-1)!
        }
        const parts = table.split({ skip, sizes })
        expect(parts.map((part) => part.byteLength)).toEqual(sizes)
        const bytes = parts.flatMap((part) => Array.from(part, (segment) => [...segment.bytes]).flat())
        const all = Array.from(table, (segment) => [...segment.bytes]).flat()
        expect(bytes).toEqual(all.slice(skip, all.length - left))
      }),
    )
  })

  it('leaves no empty segment behind a skip that ends with one', () => {
    const [part] = tableOf([10, 20]).split({ skip: 10, sizes: [20] })
    expect(part!.origNents).toBe(1)
    expect(part!.bytesAt(0)[0]).toBe(50)
  })

  it('ends the last part where its bytes do', () => {
    const parts = tableOf([10, 20, 30]).split({ sizes: [5, 10] })
    expect(parts.map((part) => Array.from(part, ({ byteLength }) => byteLength))).toEqual([[5], [5, 5]])
  })

  it('counts an offset from the same page, also beyond it', () => {
    const table = SgTable.fromPages([7, 8, 9], { byteOffset: 1 })
    expect(segmentsOf(table.split({ skip: 5000, sizes: [10] })[0]!)).toEqual([[7, 5001, 10]])
  })

  it.each<[string, object, string]>([
    ['parts of more bytes than there are', { sizes: [10, 21] }, 'DMA_RANGE'],
    ['a skip behind the end', { skip: 31, sizes: [1] }, 'DMA_RANGE'],
    ['a skip that leaves nothing', { skip: 30, sizes: [1] }, 'DMA_RANGE'],
    ['a negative skip', { skip: -1, sizes: [1] }, 'DMA_RANGE'],
    ['a skip of half a byte', { skip: 0.5, sizes: [1] }, 'DMA_RANGE'],
    ['a bigint skip', { skip: 1n, sizes: [1] }, 'DMA_RANGE'],
    ['no sizes', {}, 'DMA_INVALID_ARGUMENT'],
    ['an empty list of sizes', { sizes: [] }, 'DMA_INVALID_ARGUMENT'],
    ['an empty part', { sizes: [5, 0] }, 'DMA_INVALID_ARGUMENT'],
    ['sizes that add up to more than a number holds', { sizes: [2 ** 53 - 1, 2 ** 53 - 1] }, 'DMA_RANGE'],
    ['a hole', { sizes: Array(1) }, 'DMA_INVALID_ARGUMENT'],
    ['a misspelled option', { size: [1] }, 'DMA_INVALID_ARGUMENT'],
  ])('refuses %s', (_what, options, code) => {
    expect(() => tableOf([10, 20]).split(options as never)).toThrow(code)
  })
})
