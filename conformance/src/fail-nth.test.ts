import { linuxErrnos } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { collectTests } from './fail-nth/collect-tests'
import { ownFaults, ownPlace } from './fail-nth/judge'
import { sweepTest } from './fail-nth/sweep-test'
import { suitesApart, testsApart } from './fail-nth/tests-apart'
import { fakeHost } from './fake-host'
import { type MachineKind, machineKinds, type Suite, suitesOf } from './suite'

/**
 * Each place in the packages that makes a system call fails once, with one errno; which one, FAIL_NTH_SEED rotates. With
 * FAIL_NTH=thorough with each that Linux can answer there.
 */
const thorough = process.env.FAIL_NTH === 'thorough'
const seed = Number(process.env.FAIL_NTH_SEED ?? 0)
const places = new Set<string>()

async function sweep(kind: MachineKind, suite: Suite, index: number): Promise<string[]> {
  const { failures } = await sweepTest({ kind, suite, index }, (call) => {
    const place = ownPlace(call)
    const errnos = linuxErrnos(call)
    if (place === '' || places.has(place) || errnos.length === 0) return []
    places.add(place)
    return thorough ? errnos : [errnos[(seed + places.size) % errnos.length]!]
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
            async () => expect(await sweep(kind, suite, index)).toEqual([]),
            thorough ? 1_200_000 : 120_000,
          )
      }
    }
  })
}

it('had many places to fail', () => {
  expect(places.size).toBeGreaterThan(500)
})
