import { disturbanceKinds, tellDisturbance } from '../../disturb/kinds'
import type { Trace } from '../../trace/trace-event'
import { formatTime } from '../model/ticks'
import { element } from './dom'

/** Kinds of disturbances that are named. */
const SHOWN = 4

/** What the trace is of, and whether it is all. */
export function makeSummary({ machine, seed, events, dropped }: Trace): HTMLElement[] {
  const last = events.at(-1)
  const length = last ? `${events.length} events in ${formatTime(last.time - events[0]!.time)}` : 'no events'
  const words = [machine, ...(seed === undefined ? [] : [`seed ${seed}`]), length].join(' · ')
  const parts = [element('p', { className: 'summary' }, words)]
  if (events.length === 0) {
    parts.push(element('p', { className: 'warning' }, 'The trace is empty: nothing was noted.'))
  }
  if (dropped > 0) {
    const lost = `${dropped} older events were let go. What was mapped before the first one here is known only from what came later.`
    parts.push(element('p', { className: 'warning' }, lost))
  }
  const kinds = disturbanceKinds(events.filter((event) => event.kind === 'note'))
  if (kinds.length > 0) {
    const told = kinds.slice(0, SHOWN).map((kind) => tellDisturbance(kind, formatTime))
    if (kinds.length > SHOWN) told.push(`${kinds.length - SHOWN} kinds more`)
    parts.push(element('p', { className: 'disturbed' }, `Disturbed on purpose: ${told.join('; ')}`))
  }
  return parts
}

/** What the colours and shapes mean. */
export function makeLegend(): HTMLElement {
  const entries = [
    ['cpu', 'the CPU owns the bytes'],
    ['device', 'the device owns them'],
    ['both', 'both may touch them'],
    ['write', 'device writes'],
    ['read', 'device reads'],
    ['sync', 'sync'],
    ['trouble', 'problem'],
  ] as const
  const legend = element('ul', { id: 'legend', 'aria-label': 'Legend' })
  for (const [name, words] of entries)
    legend.append(element('li', {}, element('i', { className: name }), words))
  for (const words of ['registers: written below, read above', '○ interrupt raised ● delivered']) {
    legend.append(element('li', {}, words))
  }
  return legend
}
