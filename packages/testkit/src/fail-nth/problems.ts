import type { FailNthFailure } from './types'

/** What is wrong in the same runs. */
export interface Problem {
  /** A line for each thing, as the first of the runs has it. */
  readonly lines: readonly string[]
  readonly runs: readonly FailNthFailure[]
}

/** What is told of one run may name other descriptors and addresses in another one. Places in the code are no such numbers. */
const varying = /0x[0-9a-f]+|(?<![\w.:])\d+(?![\w:])/g

/** Sorts what went wrong by what it is: one mistake shows in many runs. In the order in which they came up. */
export function problemsOf(failures: readonly FailNthFailure[]): Problem[] {
  const found = new Map<string, { line: string; runs: Set<FailNthFailure> }>()
  for (const failure of failures) {
    const seen = new Map<string, number>()
    for (const line of failure.wrong) {
      const kind = line.replace(varying, '#')
      const count = (seen.get(kind) ?? 0) + 1
      seen.set(kind, count)
      // The second descriptor that one place leaves open is a thing of its own.
      const key = `${count} ${kind}`
      const same = found.get(key)
      if (same === undefined) found.set(key, { line, runs: new Set([failure]) })
      else same.runs.add(failure)
    }
  }
  return together([...found.values()], failures)
}

function together(
  found: readonly { line: string; runs: Set<FailNthFailure> }[],
  failures: readonly FailNthFailure[],
): Problem[] {
  const numbers = new Map(failures.map((failure, index) => [failure, index]))
  const problems = new Map<string, { lines: string[]; runs: readonly FailNthFailure[] }>()
  for (const { line, runs } of found) {
    const key = [...runs].map((run) => numbers.get(run)).join()
    const same = problems.get(key)
    if (same === undefined) problems.set(key, { lines: [line], runs: [...runs] })
    else same.lines.push(line)
  }
  return [...problems.values()]
}
