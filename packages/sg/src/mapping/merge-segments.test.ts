import fc from 'fast-check'
import { expect, it } from 'vitest'
import { IommuLayout } from './iommu-layout'
import { mergeSegments, type SegmentRules } from './merge-segments'

interface Segment {
  address: number
  byteLength: number
}

const rules = fc.record({
  granule: fc.constantFrom(4096, 16384),
  boundary: fc.constantFrom(0xfff, 0x3fff, 0xffff, 2 ** 32 - 1, 2 ** 40 - 1, Number.MAX_SAFE_INTEGER),
  maxSegmentSize: fc.oneof(fc.constantFrom(4096, 65536, 2 ** 32 - 1), fc.integer({ min: 1, max: 100_000 })),
})

/** Segments that mostly follow each other, from an address below or above 2^32. */
const segments = fc
  .tuple(
    fc.constantFrom(0, 4096, 2 ** 32 - 8192, 2 ** 45),
    fc.array(
      fc.record({
        gap: fc.constantFrom(0, 0, 0, 0, 4096, 1),
        byteLength: fc.oneof(fc.constantFrom(4096, 4096, 16384, 65536), fc.integer({ min: 1, max: 9000 })),
      }),
      { minLength: 1, maxLength: 30 },
    ),
  )
  .map(([start, pieces]) => {
    let address = start
    return pieces.map(({ gap, byteLength }): Segment => {
      const piece = { address: address + gap, byteLength }
      address += gap + byteLength
      return piece
    })
  })

function merge(list: readonly Segment[], by: SegmentRules): Segment[] {
  const addresses = Float64Array.from(list, ({ address }) => address)
  const lengths = Uint32Array.from(list, ({ byteLength }) => byteLength)
  const nents = mergeSegments(addresses, lengths, list.length, by)
  return Array.from({ length: nents }, (_, i) => ({ address: addresses[i]!, byteLength: lengths[i]! }))
}

/** The rule in words: slow, obvious, and with bigints. */
function mayJoin(
  first: Segment,
  second: Segment,
  { granule, boundary, maxSegmentSize }: SegmentRules,
): boolean {
  const start = BigInt(second.address)
  return (
    BigInt(first.address) + BigInt(first.byteLength) === start &&
    start % BigInt(granule) === 0n &&
    (start & BigInt(boundary)) !== 0n &&
    first.byteLength + second.byteLength <= maxSegmentSize
  )
}

it('joins from the front what may be joined', () => {
  fc.assert(
    fc.property(segments, rules, (list, by) => {
      const expected: Segment[] = []
      for (const segment of list) {
        const last = expected.at(-1)
        if (last && mayJoin(last, segment, by)) last.byteLength += segment.byteLength
        else expected.push({ ...segment })
      }
      expect(merge(list, by)).toEqual(expected)
    }),
    { numRuns: 2000 },
  )
})

it('keeps every byte where it is, and joins nothing a second time', () => {
  fc.assert(
    fc.property(segments, rules, (list, by) => {
      const merged = merge(list, by)
      const total = (of: Segment[]) => of.reduce((sum, { byteLength }) => sum + byteLength, 0)
      expect(total(merged)).toBe(total(list))
      expect(merge(merged, by)).toEqual(merged)
      for (const { address } of merged) expect(list.some((one) => one.address === address)).toBe(true)
    }),
  )
})

it('joins nothing without an IOMMU', () => {
  const list = [0, 4096, 8192].map((address) => ({ address, byteLength: 4096 }))
  const by = { granule: 0, boundary: Number.MAX_SAFE_INTEGER, maxSegmentSize: 2 ** 32 - 1 }
  expect(merge(list, by)).toEqual(list)
  expect(merge(list, { ...by, granule: 4096 })).toEqual([{ address: 0, byteLength: 12288 }])
})

it('joins nothing to a segment that is too long by itself, where the kernel’s subtraction would wrap', () => {
  const list = [
    { address: 8192, byteLength: 8192 },
    { address: 16384, byteLength: 4096 },
  ]
  const by = { granule: 4096, boundary: Number.MAX_SAFE_INTEGER, maxSegmentSize: 4096 }
  expect(merge(list, by)).toEqual(list)
})

it('lays segments out so that none crosses a boundary it could stay within', () => {
  const pieces = fc.array(
    fc.record({ inner: fc.integer({ min: 0, max: 4095 }), byteLength: fc.integer({ min: 1, max: 20_000 }) }),
    { minLength: 1, maxLength: 40 },
  )
  fc.assert(
    fc.property(pieces, fc.constantFrom(0xfff, 0x1fff, 0xffff, 0xf_ffff), (list, boundary) => {
      const layout = new IommuLayout(4096, boundary)
      let end = 0
      const placed = list.map(({ inner, byteLength }) => {
        const start = layout.add(inner, byteLength)
        expect(start).toBeGreaterThanOrEqual(end)
        end = start + inner + byteLength
        return { start: start + inner, end }
      })
      expect(layout.byteLength % 4096).toBe(0)
      expect(layout.byteLength).toBeGreaterThanOrEqual(end)
      // Wherever the allocator puts it, as long as the alignment is kept.
      const base = layout.alignment(2 ** 32) * 5
      const line = (address: number) => Math.floor(address / (boundary + 1))
      for (const { start, end } of placed) {
        const pages = Math.ceil(end / 4096) * 4096 - Math.floor(start / 4096) * 4096
        if (pages <= boundary + 1) expect(line(base + start)).toBe(line(base + end - 1))
      }
    }),
  )
})
