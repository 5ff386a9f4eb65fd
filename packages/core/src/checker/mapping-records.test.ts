import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MappingFamily, MappingRecords, type Wanted } from './mapping-records'

/** What the records are to be: a list that is searched from end to end. */
class Model {
  readonly live: (Wanted & { readonly note: number })[] = []

  find(wanted: Wanted, matches: (one: Wanted) => boolean): Set<number> {
    const all = this.live.filter(matches)
    const perfect = all.filter(
      (one) =>
        one.byteLength === wanted.byteLength &&
        one.family === wanted.family &&
        one.direction === wanted.direction &&
        one.entries === wanted.entries,
    )
    if (perfect.length > 0) return new Set(perfect.map(({ note }) => note))
    return new Set(all.length === 1 ? [all[0]!.note] : [0])
  }
}

const high = 0x1_2340_0000
const mapping = fc.record({
  address: fc.oneof(
    fc.nat(40),
    fc.nat(20_000),
    fc.nat(20_000).map((low) => high + low),
  ),
  byteLength: fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 9000 })),
  family: fc.constantFrom(MappingFamily.Single, MappingFamily.Coherent),
  direction: fc.constantFrom(0, 1, 2) as fc.Arbitrary<0 | 1 | 2>,
  entries: fc.constantFrom(0, 2),
})
const step = fc.oneof(
  fc.record({ add: mapping }),
  fc.record({ remove: fc.nat(200) }),
  fc.record({ at: mapping }),
  fc.record({ around: mapping }),
)

describe('the records of a device', () => {
  it('are found by where they begin, as in a list', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const records = new MappingRecords()
        const model = new Model()
        for (const one of steps) {
          if ('add' in one) {
            const { address, byteLength, family, direction, entries } = one.add
            const note = records.add(address, byteLength, 0)
            records.keep(note, family, direction, 1, 2, entries, 3)
            model.live.push({ ...one.add, note })
          } else if ('remove' in one) {
            const [gone] = model.live.splice(one.remove, 1)
            if (gone) records.remove(gone.note)
          } else if ('at' in one) {
            const found = records.findAt(one.at)
            expect(model.find(one.at, ({ address }) => address === one.at.address)).toContain(found)
          }
          expect(records.live).toBe(model.live.length)
        }
        expect([...records].sort((a, b) => a - b)).toEqual(
          model.live.map(({ note }) => note).sort((a, b) => a - b),
        )
        for (const { note, ...rest } of model.live) {
          expect({
            address: records.addressOf(note),
            byteLength: records.byteLengthOf(note),
            family: records.familyOf(note),
            direction: records.directionOf(note),
            entries: records.entriesOf(note),
          }).toEqual(rest)
        }
      }),
    )
  })

  it('are found by any byte of theirs where they do not overlap', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 60 })
    fc.assert(
      fc.property(lengths, fc.array(fc.nat(), { maxLength: 40 }), (list, probes) => {
        const records = new MappingRecords()
        const ends: number[] = []
        let address = high
        for (const byteLength of list) {
          records.keep(records.add(address, byteLength, 0), MappingFamily.Single, 2, 1, 0, 0, 0)
          address += byteLength
          ends.push(address)
        }
        for (const probe of probes) {
          const at = high + (probe % (address - high + 100))
          const wanted = {
            address: at,
            byteLength: 1,
            family: MappingFamily.Single,
            direction: 2,
            entries: 0,
          } as const
          expect(records.findAround(wanted)).toBe(ends.findIndex((end) => at < end) + 1)
        }
      }),
    )
  })
})
