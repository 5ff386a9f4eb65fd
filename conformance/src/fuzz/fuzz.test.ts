import { describe, expect, it } from 'vitest'
import { fakeHost } from '../fake-host'
import { families } from './families'
import { fuzzFamily } from './fuzz-family'
import { Tally } from './tally'

/** Two fakes, since there is no other kernel here: what one does may depend on nothing but the operations. */
describe('fuzz', () => {
  for (const family of families) {
    it(`${family.name}: a fake answers as another does`, async () => {
      const sides = { reference: fakeHost(family.machineKind), fake: fakeHost(family.machineKind) }
      const report = await fuzzFamily(family, sides, { operations: 2500, seed: 1 })
      expect(report.divergences).toEqual([])
      expect(report.operations).toBeGreaterThanOrEqual(2500)
      expect(report.tally.mistaken()).toEqual([])
    }, 60_000)
  }
})

describe('a tally', () => {
  const family = { ...families[0]!, refused: { pin: 'for a test' } }

  it('tells what was answered, refused, and asked for nothing', () => {
    const tally = new Tally(family)
    for (const outcome of [0, undefined, 'none', { code: 'EINVAL' }]) tally.add('mmap', outcome)
    expect(tally.counts.get('mmap')).toEqual({ answered: 2, refused: 1, idle: 1 })
    expect(tally.total).toEqual({ answered: 2, refused: 1, idle: 1 })
  })

  it('names operations that are never answered, and one that is although it cannot be', () => {
    const tally = new Tally(family)
    for (const name of Object.keys(family.operations))
      tally.add(name, name === 'mmap' ? { code: 'EBADF' } : 0)
    expect(tally.mistaken()).toEqual(['mmap', 'pin'])
  })
})
