import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { median, quantile, relativeMad } from './statistics'

const finite = fc.double({ min: -1e9, max: 1e9, noNaN: true })

describe('median', () => {
  it('is the middle value of an odd number, whatever their order', () => {
    expect(median([9, 1, 5])).toBe(5)
  })

  it('is the mean of the two middle values of an even number', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5)
  })

  it('is not moved by one outlier', () => {
    expect(median([1, 1, 1, 1, 1_000_000])).toBe(1)
  })

  it('leaves its argument as it was', () => {
    const values = [3, 1, 2]
    median(values)
    expect(values).toEqual([3, 1, 2])
  })

  it('is NaN for no values', () => {
    expect(median([])).toBeNaN()
  })

  it('has as many values above as below', () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1, maxLength: 40 }), (values) => {
        const middle = median(values)
        const half = values.length / 2
        expect(values.filter((value) => value < middle).length).toBeLessThanOrEqual(half)
        expect(values.filter((value) => value > middle).length).toBeLessThanOrEqual(half)
      }),
    )
  })
})

describe('quantile', () => {
  const hundred = Array.from({ length: 101 }, (_, index) => index)

  it('is the smallest value at 0 and the largest at 1', () => {
    expect(quantile([5, 3, 8], 0)).toBe(3)
    expect(quantile([5, 3, 8], 1)).toBe(8)
  })

  it('is linear between neighbours', () => {
    expect(quantile(hundred, 0.99)).toBe(99)
    expect(quantile([0, 10], 0.25)).toBe(2.5)
  })

  it('sorts by size and not by spelling, in typed arrays as well', () => {
    expect(quantile(Float64Array.of(100, 9, 20), 0.5)).toBe(20)
  })
})

describe('relativeMad', () => {
  it('is 0 where all values are the same', () => {
    expect(relativeMad([2, 2, 2])).toBe(0)
  })

  it('is the typical distance from the median, as a share of it', () => {
    // The median is 10, the distances are 1, 0, 1, 0 and 90.
    expect(relativeMad([9, 10, 11, 10, 100])).toBeCloseTo(0.1)
  })

  it('does not depend on the unit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1, max: 1000, noNaN: true }), { minLength: 1, maxLength: 20 }),
        (values) => {
          const scaled = values.map((value) => value * 1024)
          expect(relativeMad(scaled)).toBeCloseTo(relativeMad(values), 9)
        },
      ),
    )
  })
})
