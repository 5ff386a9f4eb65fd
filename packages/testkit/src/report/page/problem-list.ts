import { nothingKnown, type Problem } from '../model/problem'
import { formatTime } from '../model/ticks'
import { button, element } from './dom'
import type { ReportView } from './report-view'

/** More than these nobody reads; the events of all are found by the filter. */
const SHOWN = 200

const severityWords: Readonly<Record<Problem['severity'], string>> = {
  misuse: '✕ misuse',
  fault: '⚡ fault',
  hazard: '⚠ hazard',
}

/** What went wrong, each with a way to its place. */
export function makeProblemList(view: ReportView): HTMLElement {
  const { problems } = view.timeline
  const section = element('section', { id: 'problems', 'aria-label': 'Problems' })
  if (problems.length === 0) {
    // No tick: what the program looked at without a sync leaves no trace, nor does what a real device did.
    section.append(noProblem())
    return section
  }
  const list = element('ol')
  for (const problem of problems.slice(0, SHOWN)) list.append(element('li', {}, problemButton(view, problem)))
  section.append(element('h2', {}, problems.length === 1 ? '1 problem' : `${problems.length} problems`), list)
  if (problems.length > SHOWN) {
    section.append(element('p', {}, `These are the first ${SHOWN}: choose “problems” alone to see all.`))
  }
  return section
}

function noProblem(): HTMLElement {
  // Of a test that failed that is no reassurance: something is wrong.
  return document.getElementById('failure')
    ? element('p', { className: 'unknown' }, nothingKnown)
    : element('p', { className: 'none' }, 'No misuse, fault or hazard is in this trace.')
}

function problemButton(view: ReportView, { severity, index, device, title }: Problem): HTMLElement {
  const event = view.timeline.trace.events[index]!
  const one = button('', () => view.goTo(index), { className: severity, 'data-event': event.n })
  one.append(
    element('b', {}, severityWords[severity]),
    element('span', {}, title),
    element('small', {}, `${device || 'the machine'} · ${formatTime(event.time)}`),
  )
  view.onChange(() => one.setAttribute('aria-current', String(view.selected === index)))
  return one
}
