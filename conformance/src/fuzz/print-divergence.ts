import { inspect } from 'node:util'
import type { Divergence, FuzzReport } from './fuzz-family'

const literal = (value: unknown) =>
  inspect(value, {
    depth: Number.POSITIVE_INFINITY,
    breakLength: Number.POSITIVE_INFINITY,
    maxArrayLength: null,
    maxStringLength: null,
  })

/** One line for each family. */
export function formatReport({
  family,
  operations,
  seed,
  divergences,
  tally,
  milliseconds,
}: FuzzReport): string {
  const found = `${divergences.length} divergence${divergences.length === 1 ? '' : 's'}`
  const { answered, refused } = tally.total
  const counts = `${answered} answered, ${refused} refused`
  return `fuzz ${family}: ${operations} operations, seed ${seed}, ${found}, ${counts}, ${(milliseconds / 1000).toFixed(1)} s`
}

/** What came of each operation, a line for each. */
export function formatTally({ tally }: FuzzReport): string {
  return [...tally.counts]
    .map(
      ([name, { answered, refused, idle }]) =>
        `  ${name}: ${answered} answered, ${refused} refused, ${idle} idle`,
    )
    .join('\n')
}

/** What differs, and a test that shows it, as `suites/fuzz-found.ts` takes it: with the answers of the kernel that is right. */
export function formatDivergence(family: string, { program, difference, seed }: Divergence): string {
  const { at, outcomes, reference, fake } = difference
  const where = typeof at === 'number' ? `step ${at + 1} of` : `${at}, after`
  const steps = program.slice(0, outcomes.length).map(([name, words], index) => {
    return `    [${literal(name)}, ${literal(words)}, ${literal(outcomes[index])}],`
  })
  return [
    `${family}, ${where} a program of ${program.length} (seed ${seed}):`,
    `  the real kernel: ${literal(reference)}`,
    `  the fake:        ${literal(fake)}`,
    '',
    `it('NAME IT', () =>`,
    `  replays(host, ${literal(family)}, [`,
    ...steps,
    `  ]${typeof at === 'number' ? '' : `, ${at === 'the end' ? literal({ end: reference }) : '{}'}`}))`,
  ].join('\n')
}
