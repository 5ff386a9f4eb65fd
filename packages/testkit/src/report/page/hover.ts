import { describeEvent } from '../model/event-text'
import { placeOf } from '../model/place'
import { formatTime } from '../model/ticks'
import { element } from './dom'
import { heightOf } from './draw-mapping'
import type { PlacedRow } from './pen'
import type { ReportView } from './report-view'

/** A mark is hit from so far away, in points. */
const REACH = 14

/** Says what is under the pointer, and looks at it when it is clicked. */
export function addHover(
  canvas: HTMLCanvasElement,
  view: ReportView,
  rows: () => readonly PlacedRow[],
): void {
  const tip = element('div', { id: 'tip', role: 'tooltip', hidden: true })
  document.body.append(tip)
  canvas.addEventListener('pointermove', (event) => {
    const index = canvas.dataset.dragging ? undefined : eventAt(canvas, view, rows(), event)
    tip.hidden = index === undefined
    if (index === undefined) return
    const what = view.timeline.trace.events[index]!
    const problems = view.timeline.problemsAt.get(index) ?? []
    tip.replaceChildren(
      element('b', {}, describeEvent(what)),
      ...problems.map(({ title }) => element('em', {}, `✕ ${title}`)),
      element('small', {}, `${formatTime(what.time)} · event ${what.n}`),
    )
    const right = Math.max(innerWidth - tip.offsetWidth - 8, 0)
    tip.style.left = `${Math.min(event.clientX + 14, right)}px`
    tip.style.top = `${Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8)}px`
  })
  canvas.addEventListener('pointerleave', () => {
    tip.hidden = true
  })
  canvas.addEventListener('click', (event) => {
    if (canvas.dataset.dragging) return
    const index = eventAt(canvas, view, rows(), event)
    if (index !== undefined) view.select(index)
  })
}

/** The nearest event of the row under the pointer; of several at one place, one whose bytes are there. */
function eventAt(
  canvas: HTMLCanvasElement,
  view: ReportView,
  rows: readonly PlacedRow[],
  { offsetX, offsetY }: MouseEvent,
): number | undefined {
  const placed = rows.find(({ top, height }) => top <= offsetY && offsetY < top + height)
  if (!placed) return undefined
  const scale = canvas.clientWidth / (view.to - view.from)
  let best: { index: number; away: number } | undefined
  for (const index of placed.row.events) {
    if (view.matched[index] === 0) continue
    const across = Math.abs((view.axis.positions[index]! - view.from) * scale + 4 - offsetX)
    if (across > REACH) continue
    const away = across + (isBeside(view, placed, index, offsetY) ? REACH : 0)
    if (!best || away < best.away) best = { index, away }
  }
  return best?.index
}

/** Whether the pointer is above or below the bytes of an event. */
function isBeside(view: ReportView, placed: PlacedRow, index: number, y: number): boolean {
  const place = placeOf(view.timeline.trace.events[index]!)
  const history = placed.row.mappings.find(({ events }) => events.includes(index))
  if (!place || !history) return false
  const base = history.place.start
  return (
    y < heightOf(placed, history, place.start - base) - 3 ||
    y > heightOf(placed, history, place.end - base) + 3
  )
}
