import { linuxErrnos } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { collectTests } from './fail-nth/collect-tests'
import { hashOfPlace, ownFaults, ownPlace } from './fail-nth/judge'
import { sweepTest, type TestPlace } from './fail-nth/sweep-test'
import { suitesApart, testsApart } from './fail-nth/tests-apart'
import { fakeHost } from './fake-host'
import { machineKinds, type Suite, suitesOf } from './suite'

/**
 * Each place in the packages that makes a system call fails once in each suite, with one errno; which one, the place and
 * FAIL_NTH_SEED decide. With FAIL_NTH=thorough with each that Linux can answer there.
 */
const thorough = process.env.FAIL_NTH === 'thorough'
const seed = Number(process.env.FAIL_NTH_SEED ?? 0)
/** By suite, so that what one of them fails does not depend on the others. */
const placesOf = new Map<Suite, Set<string>>()

async function sweep(test: TestPlace): Promise<string[]> {
  const places = placesOf.get(test.suite) ?? new Set()
  placesOf.set(test.suite, places)
  const { failures } = await sweepTest(test, (call) => {
    const place = ownPlace(call)
    const errnos = linuxErrnos(call)
    if (place === '' || places.has(place) || errnos.length === 0) return []
    places.add(place)
    return thorough ? errnos : [errnos[(seed + hashOfPlace(place)) % errnos.length]!]
  })
  return failures.flatMap((failure) =>
    ownFaults(failure).map(
      (fault) => `${failure.syscall} ${failure.nth} ${failure.code}: ${fault}\n${failure.stack}`,
    ),
  )
}

for (const kind of machineKinds) {
  describe(`error paths on ${kind}`, () => {
    for (const suite of suitesOf(kind)) {
      if (suitesApart.test(suite.name)) continue
      for (const [index, { title }] of collectTests(suite, fakeHost(kind)).entries()) {
        const apart = testsApart.find(([pattern]) => pattern.test(title))
        if (apart) it.skip(`${title} (skipped: ${apart[1]})`, () => {})
        else
          it(
            title,
            async () => expect(await sweep({ kind, suite, index })).toEqual([]),
            thorough ? 1_200_000 : 120_000,
          )
      }
    }
  })
}

it('had many places to fail', () => {
  const places = new Set([...placesOf.values()].flatMap((some) => [...some]))
  expect(places.size).toBeGreaterThan(500)
})
