import { type Problem, problemsOf } from './problems'
import type { FailNthFailure, FailNthResult } from './types'

/** Problems that are told. */
const mostTold = 20
/** Lines of one, and calls that it comes of. */
const mostLines = 20

/** What went wrong, to be read: each problem once, with the calls whose failure it comes of, and with what they failed. */
export function tellFailures({ failures, runs }: FailNthResult): string {
  const problems = problemsOf(failures)
  const rest = problems.length - mostTold
  const more = rest > 0 ? [`  and ${rest} more problems`] : []
  return [
    `${failures.length} of ${runs} runs with a call failing went wrong:`,
    ...problems.slice(0, mostTold).map(tell),
    ...more,
  ].join('\n')
}

function tell({ lines, runs }: Problem): string {
  const what = atMost(lines, 'more like that').map((line) => line.replaceAll('\n', '\n  '))
  const calls = atMost([...groupBy(runs, callOf).values()].map(tellCall), 'more calls')
  return [...what.map((line) => `  ${line}`), ...calls.map((call) => `    ${call}`)].join('\n')
}

function callOf({ syscall, path, at }: FailNthFailure): string {
  return `${syscall} ${path ?? ''} ${at}`
}

/** One call of the program, which may be made several times. */
function tellCall(runs: readonly FailNthFailure[]): string {
  const { syscall, path, at } = runs[0]!
  const which = path === undefined ? syscall : `${syscall} '${path}'`
  const codesOf = new Map([...groupBy(runs, ({ nth }) => nth)].map(([nth, same]) => [nth, codes(same)]))
  const times = [...groupBy(codesOf.keys(), (nth) => codesOf.get(nth))].map(
    ([failed, nths]) => `number ${nths.join(', ')} with ${failed}`,
  )
  return `when ${which} fails, ${times.join('; ')}, ${at}`
}

function codes(runs: readonly FailNthFailure[]): string {
  return runs.map(({ code }) => code).join(', ')
}

function groupBy<Item, Key>(items: Iterable<Item>, keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}

function atMost(lines: readonly string[], what: string): string[] {
  const rest = lines.length - mostLines
  return rest > 0 ? [...lines.slice(0, mostLines), `and ${rest} ${what}`] : [...lines]
}
