import type { Trace } from './trace-event'

/** A trace as text: a line of JSON for what it is, then one for each event. `parseTrace()` reads it. */
export function saveTrace({ version, machine, seed, dropped, events }: Trace): string {
  const head = { version, machine, ...(seed === undefined ? {} : { seed }), dropped }
  return `${[head, ...events].map((line) => JSON.stringify(line)).join('\n')}\n`
}
