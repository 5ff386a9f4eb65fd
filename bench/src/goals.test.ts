import { describe, expect, it } from 'vitest'
import { isWithin, limitOf } from './goals'
import { single } from './row'

describe('limits', () => {
  it('differ between engines where the goal says so', () => {
    expect(limitOf('transfer, tracked', 20)).toEqual({ ratio: 1.7 })
    expect(limitOf('transfer, tracked', 22)).toEqual({ ratio: 2.5 })
    expect(limitOf('transfer, tracked', 23)).toEqual({ ratio: 2.5 })
  })

  it('are those of the newest known engine for a newer one', () => {
    expect(limitOf('transfer, tracked', 30)).toEqual(limitOf('transfer, tracked', 24))
  })

  it('are the same for all engines where the goal is one', () => {
    expect(limitOf('bytes per live mapping', 20)).toBe(limitOf('bytes per live mapping', 24))
  })

  it('are absent for rows that are only reported', () => {
    expect(limitOf('transfer, as objects', 20)).toBeUndefined()
  })
})

describe('isWithin', () => {
  const compared = (ours: number, ratio: number) => ({ ours, c: ours / ratio, ratio, mad: 0, runs: 11 })

  it('asks for each part of the limit', () => {
    expect(isWithin(compared(20, 1.5), { ratio: 2, ours: 25 })).toBe(true)
    expect(isWithin(compared(30, 1.5), { ratio: 2, ours: 25 })).toBe(false)
    expect(isWithin(compared(20, 2.5), { ratio: 2, ours: 25 })).toBe(false)
  })

  it('lets a row reach its limit and no more', () => {
    expect(isWithin(single(0), { ours: 0 })).toBe(true)
    expect(isWithin(single(0.1), { ours: 0 })).toBe(false)
  })

  it('does not take a row without a ratio for one that holds', () => {
    expect(isWithin(single(1), { ratio: 2 })).toBe(false)
  })

  it('does not take what could not be measured for what holds', () => {
    expect(isWithin(single(Number.NaN), { ours: 5 })).toBe(false)
  })
})
