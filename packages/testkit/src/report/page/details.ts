import type { TraceEvent } from '../../trace/trace-event'
import { describeEvent } from '../model/event-text'
import type { MappingHistory } from '../model/mapping-history'
import { placeOf } from '../model/place'
import { byteRange } from '../model/problem'
import { formatTime } from '../model/ticks'
import { button, element } from './dom'
import { hexDump } from './hex'
import type { ReportView } from './report-view'

/** So many events of a mapping are named, around the one that is looked at. */
const NEIGHBOURS = 12
const DUMPED_BYTES = 128

/** All that is known of the event that is looked at, and ways to what belongs to it. */
export function makeDetails(view: ReportView): HTMLElement {
  const section = element('section', {
    id: 'details',
    'aria-label': 'The selected event',
    'aria-live': 'polite',
  })
  let shown: number | undefined | null = null
  view.onChange(() => {
    if (shown === view.selected) return
    shown = view.selected
    section.replaceChildren(...(shown === undefined ? explanation() : detailsOf(view, shown)))
  })
  return section
}

function explanation(): HTMLElement[] {
  const keys: readonly (readonly [string, string])[] = [
    ['wheel, + −', 'zoom'],
    ['drag, ← →', 'move'],
    ['0', 'all of it'],
    ['N, P', 'next, previous event'],
    ['Shift+N, Shift+P', 'next, previous problem'],
    ['/', 'search'],
    ['Esc', 'select nothing'],
  ]
  return [
    element('h2', {}, 'No event is selected'),
    element('p', {}, 'Click one, or a problem above.'),
    pairs(keys.map(([key, words]) => [key, words])),
  ]
}

function detailsOf(view: ReportView, index: number): HTMLElement[] {
  const { trace, touched, problemsAt } = view.timeline
  const event = trace.events[index]!
  const hazards = (problemsAt.get(index) ?? []).filter(({ severity }) => severity === 'hazard')
  const heading = element('h2', {}, describeEvent(event))
  if (problemsAt.has(index)) heading.className = 'problem'
  const message = 'message' in event && event.message.includes('\n') ? event.message : undefined
  return [
    heading,
    ...hazards.map(({ title }) => element('p', { className: 'problem' }, `hazard: ${title}`)),
    ...(message === undefined ? [] : [element('pre', {}, message)]),
    pairs(facts(event, touched[index]![0]?.device)),
    ...bytesOf(event),
    ...touched[index]!.flatMap((history) => mappingOf(view, history, index)),
  ]
}

function facts(event: TraceEvent, owner: string | undefined): (readonly [string, string])[] {
  const { n, time, device, kind, ...rest } = event
  const known: [string, string][] = [
    ['event', `${n}, ${kind}`],
    ['time', formatTime(time)],
    ['device', device || owner || 'the machine'],
  ]
  const place = placeOf(event)
  if (place) known.push(['bytes', `0x${place.start.toString(16)} to 0x${(place.end - 1).toString(16)}`])
  for (const [name, value] of Object.entries(rest)) {
    if (name === 'bytes' || name === 'message') continue
    known.push([name === 'at' ? 'called from' : name, String(value)])
  }
  return known
}

function bytesOf(event: TraceEvent): HTMLElement[] {
  if (!('bytes' in event) || event.bytes === undefined) return []
  return [element('h3', {}, 'What was in it'), element('pre', {}, hexDump(event.bytes, DUMPED_BYTES))]
}

/** The mapping, which bytes of it this event is about, and its other events. */
function mappingOf(view: ReportView, history: MappingHistory, index: number): HTMLElement[] {
  const { trace } = view.timeline
  const place = placeOf(trace.events[index]!)!
  const { start, end } = history.place
  const range = byteRange(Math.max(place.start, start) - start, Math.min(place.end, end) - start)
  const at = history.events.indexOf(index)
  const first = Math.max(Math.min(at - NEIGHBOURS / 2, history.events.length - NEIGHBOURS), 0)
  const near = history.events.slice(first, first + NEIGHBOURS)
  const items = near.map((i) => {
    const one = button(`${trace.events[i]!.n}  ${describeEvent(trace.events[i]!)}`, () => view.select(i))
    one.setAttribute('aria-current', String(i === index))
    return element('li', {}, one)
  })
  const site = history.at === undefined ? [] : [element('p', {}, `Mapped ${history.at}`)]
  const more = history.events.length - near.length
  return [
    element('h3', {}, `Mapping ${history.mapping}: ${range} of ${end - start}`),
    ...site,
    element('ul', { className: 'events' }, ...items),
    ...(more > 0 ? [element('p', {}, `and ${more} events more`)] : []),
  ]
}

function pairs(entries: readonly (readonly [string, string])[]): HTMLElement {
  const list = element('dl')
  for (const [name, value] of entries) list.append(element('dt', {}, name), element('dd', {}, value))
  return list
}
