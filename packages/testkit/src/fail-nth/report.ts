import type { FailNthFailure, FailNthResult } from './types'

/** Kinds of failures that are told. */
const mostTold = 20

/** What went wrong, to be read: which calls, with what, from where, and what came of it. What went wrong alike is told once. */
export function tellFailures({ failures, runs }: FailNthResult): string {
  const alike = new Map<string, FailNthFailure[]>()
  for (const failure of failures) {
    const kind = `${failure.syscall} ${failure.at} ${failure.what.replace(/0x[0-9a-f]+|\d+/g, '#')}`
    alike.set(kind, [...(alike.get(kind) ?? []), failure])
  }
  const told = [...alike.values()].slice(0, mostTold).map(tell)
  const rest = alike.size - told.length
  const more = rest > 0 ? [`  and what went wrong in ${rest} more ways`] : []
  return [`${failures.length} of ${runs} runs with a call failing went wrong:`, ...told, ...more].join('\n')
}

function tell(alike: readonly FailNthFailure[]): string {
  const { syscall, path, at, what } = alike[0]!
  const which = path === undefined ? syscall : `${syscall} '${path}'`
  const when = alike.map(({ nth, code }) => `number ${nth} with ${code}`).join(', ')
  const lines = what.split('\n').map((line) => `    ${line}`)
  return [`  ${which}, ${at}: ${when}`, ...lines].join('\n')
}
