import { invalidArgument } from '../errors'
import type { Trace } from '../trace/trace-event'

/** Refuses what is no trace: a page of nothing would be taken for a run in which nothing happened. */
export function checkTrace(trace: Trace): Trace {
  const { version, machine, events, dropped } = Object(trace) as Partial<Trace>
  if (version !== 1) invalidArgument(`a trace has version 1, not ${String(version)}`)
  if (typeof machine !== 'string' || !Array.isArray(events) || !Number.isSafeInteger(dropped)) {
    invalidArgument('a trace has a machine, events, and the number of those that were dropped')
  }
  return trace
}

/** Refuses what is no text. */
export function checkWords(value: unknown, name: string): void {
  if (value !== undefined && typeof value !== 'string') invalidArgument(`${name} is no string`)
}
