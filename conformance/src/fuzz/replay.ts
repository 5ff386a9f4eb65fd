import assert from 'node:assert/strict'
import type { Host } from '../host'
import { findFamily } from './families'
import type { Outcome } from './family'
import { beginProgram } from './run-program'

/** A step of a program that a divergence was found by, and what Linux answers. */
export type KnownStep = readonly [name: string, words: object, outcome: Outcome]

/**
 * Runs a program on one machine, and holds each of its answers to the one that is known to be right; nothing may be left
 * open in the end.
 * @param options.end what is to be seen at the end
 */
export async function replays(
  host: Host,
  family: string,
  program: readonly KnownStep[],
  options: { end?: Outcome } = {},
): Promise<void> {
  const run = await beginProgram(findFamily(family), host)
  try {
    for (const [index, [name, words, outcome]] of program.entries()) {
      assert.deepEqual(await run.step([name, words]), outcome, `step ${index + 1}, ${name}`)
    }
    if (Object.hasOwn(options, 'end')) assert.deepEqual(await run.observe(), options.end)
  } finally {
    const left = await run.end()
    assert.deepEqual(left, { descriptors: 0, mappings: 0, mappedBytes: 0, watches: 0 })
  }
}
