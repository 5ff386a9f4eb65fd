import { describe, expect, it } from 'vitest'
import { fakeHost } from '../fake-host'
import { families } from './families'
import { fuzzFamily } from './fuzz-family'

/** Two fakes, since there is no other kernel here: what one does may depend on nothing but the operations. */
describe('fuzz', () => {
  for (const family of families) {
    it(`${family.name}: a fake answers as another does`, async () => {
      const sides = { reference: fakeHost(family.machineKind), fake: fakeHost(family.machineKind) }
      const report = await fuzzFamily(family, sides, { operations: 400, seed: 1 })
      expect(report.divergences).toEqual([])
      expect(report.operations).toBeGreaterThanOrEqual(400)
    })
  }
})
