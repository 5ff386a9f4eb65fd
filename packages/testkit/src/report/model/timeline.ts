import type { Trace } from '../../trace/trace-event'
import { HistoryBook } from './history-book'
import type { MappingHistory } from './mapping-history'
import type { Problem } from './problem'
import { type Row, rowsOf } from './rows'

/** All that a report shows of a trace. */
export interface Timeline {
  readonly trace: Trace
  readonly mappings: readonly MappingHistory[]
  readonly problems: readonly Problem[]
  readonly rows: readonly Row[]
  /** For each event the mappings whose bytes it is about. */
  readonly touched: readonly (readonly MappingHistory[])[]
  /** Problems by the index of their event. */
  readonly problemsAt: ReadonlyMap<number, readonly Problem[]>
}

/** Finds out who owned which bytes when, and what went wrong. */
export function readTimeline(trace: Trace): Timeline {
  const book = new HistoryBook()
  trace.events.forEach((event, index) => void book.add(event, index))
  const problemsAt = new Map<number, Problem[]>()
  for (const problem of book.problems) {
    const there = problemsAt.get(problem.index)
    if (there) there.push(problem)
    else problemsAt.set(problem.index, [problem])
  }
  const { mappings, problems, touched } = book
  return { trace, mappings, problems, rows: rowsOf(trace.events, mappings, touched), touched, problemsAt }
}
