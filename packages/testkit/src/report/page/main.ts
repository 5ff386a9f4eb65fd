import type { Trace } from '../../trace/trace-event'
import { readTimeline } from '../model/timeline'
import { makeDetails } from './details'
import { element } from './dom'
import { EventList } from './event-list'
import { addKeys } from './keys'
import { Overview } from './overview'
import { makeProblemList } from './problem-list'
import { ReportView } from './report-view'
import { makeLegend, makeSummary } from './summary'
import { TimelinePane } from './timeline-pane'
import { makeToolbar } from './toolbar'

const trace = JSON.parse(document.getElementById('trace')!.textContent!) as Trace
const view = new ReportView(readTimeline(trace))
const pane = new TimelinePane(view)
const overview = new Overview(view)
const list = new EventList(view)

document.getElementById('top')!.append(...makeSummary(trace))
const side = element('aside', {}, makeDetails(view), list.element)
const main = element('main', {}, overview.element, pane.element)
document.body.append(
  makeProblemList(view),
  makeToolbar(view),
  makeLegend(),
  element('div', { id: 'panes' }, main, side),
)
addKeys(view)

let revealed: number | undefined
view.onChange(() => {
  if (view.selected !== undefined && view.selected !== revealed) pane.reveal(view.selected)
  revealed = view.selected
})
// Last: what the others have to say decides how much room is left.
view.onChange(() => pane.draw())
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => view.changed())
view.changed()
