import { escapeHtml } from './embed'
import { describeEvent, groupOf } from './model/event-text'
import { nothingKnown } from './model/problem'
import { formatTime } from './model/ticks'
import type { Timeline } from './model/timeline'

/** So many of the last events: what failed is at the end, and a page without a script has no way to show some of many. */
const SHOWN = 1000

/** What is there to see where scripts are off: the problems, and the last events. */
export function plainTables({ trace, problems }: Timeline, failed: boolean): string {
  const { events } = trace
  const rows = events.slice(-SHOWN).map((event) => {
    const cells = [event.n, formatTime(event.time), event.device, groupOf(event), describeEvent(event)]
    return tableRow(cells)
  })
  const list = problems.map(
    ({ title, index }) => `<li>${escapeHtml(`event ${events[index]!.n}: ${title}`)}</li>`,
  )
  const omitted =
    events.length > SHOWN ? `<p>These are the last ${SHOWN} of ${events.length} events.</p>` : ''
  return [
    '<p>Scripts are off, so that there is no timeline: these are its events.</p>',
    list.length > 0
      ? `<h2>Problems</h2><ol>${list.join('')}</ol>`
      : `<p>${failed ? nothingKnown : 'There are no problems.'}</p>`,
    `<h2>Events</h2>${omitted}<table><thead>${tableRow(['n', 'time', 'device', 'what', ''])}</thead>`,
    `<tbody>${rows.join('\n')}</tbody></table>`,
  ].join('\n')
}

function tableRow(cells: readonly (string | number)[]): string {
  return `<tr>${cells.map((cell) => `<td>${escapeHtml(String(cell))}</td>`).join('')}</tr>`
}
