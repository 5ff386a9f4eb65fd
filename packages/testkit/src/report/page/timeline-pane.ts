import { drawAxis } from './axis-strip'
import { prepare } from './canvas'
import { hatch, readColours } from './colours'
import { element } from './dom'
import { drawInterrupts, drawNotes, drawRegisters } from './draw-lines'
import { drawMapping } from './draw-mapping'
import { drawProblems } from './draw-problems'
import { addGestures } from './gestures'
import { addHover } from './hover'
import { RowLabels } from './labels'
import { type Pen, type PlacedRow, xOf } from './pen'
import type { ReportView } from './report-view'
import { placeRows, rowsInView } from './row-layout'

const AXIS_HEIGHT = 26

/** The picture: labels at the left, rows beside them, the axis above. */
export class TimelinePane {
  readonly element: HTMLElement
  readonly canvas = element('canvas', { id: 'lanes', tabIndex: 0, role: 'application' })
  readonly #view: ReportView
  readonly #axis = element('canvas', { 'aria-hidden': 'true' })
  readonly #inner = element('div', { className: 'inner' })
  readonly #scroll = element('div', { className: 'scroll' })
  readonly #labels: RowLabels
  #laid: { placed: readonly PlacedRow[]; height: number }
  #rows: ReportView['rows']
  #room = 0

  constructor(view: ReportView) {
    this.#view = view
    this.#labels = new RowLabels(view)
    this.#rows = view.rows
    this.#laid = placeRows(view.rows, view.timeline, 0)
    this.canvas.setAttribute(
      'aria-label',
      'Timeline. Plus and minus zoom, arrows move, N and P go through the events, Shift N and Shift P through the problems.',
    )
    this.#inner.append(this.#labels.element, this.canvas)
    this.#scroll.append(this.#inner)
    const axis = element('div', { className: 'axis' }, element('span', { className: 'corner' }), this.#axis)
    this.element = element('section', { id: 'timeline', 'aria-label': 'Timeline' }, axis, this.#scroll)
    this.#scroll.addEventListener('scroll', () => view.changed(), { passive: true })
    new ResizeObserver(() => view.changed()).observe(this.#scroll)
    addGestures(this.canvas, view, this.#scroll)
    addHover(this.canvas, view, () => this.#inView())
  }

  /** Brings a row with this event into view, if none is. */
  reveal(index: number): void {
    const { scrollTop, clientHeight } = this.#scroll
    const holding = this.#laid.placed.filter(({ row }) => row.events.includes(index))
    // Where bytes are known, their lane tells more than the device's own rows.
    const best = holding.find(({ row }) => row.kind === 'mapping') ?? holding[0]
    if (!best || (best.top >= scrollTop && best.top + best.height <= scrollTop + clientHeight)) return
    this.#scroll.scrollTop = best.top - (clientHeight - best.height) / 2
  }

  draw(): void {
    const room = this.#scroll.clientHeight
    if (this.#rows !== this.#view.rows || this.#room !== room) {
      this.#rows = this.#view.rows
      this.#room = room
      this.#laid = placeRows(this.#rows, this.#view.timeline, room)
    }
    this.#inner.style.height = `${Math.max(this.#laid.height, this.#scroll.clientHeight)}px`
    const rows = this.#inView()
    this.#labels.show(rows, this.#scroll.scrollTop)
    const width = Math.max(this.#scroll.clientWidth - this.#labels.element.offsetWidth, 50)
    const pen = this.#pen(width)
    for (const placed of rows) drawRow(pen, placed)
    // Frames and words of what is wrong lie over the bytes of the rows beside them.
    for (const placed of rows) drawProblems(pen, placed)
    drawChosen(pen, this.#scroll.clientHeight)
    drawAxis(prepare(this.#axis, width, AXIS_HEIGHT), pen, AXIS_HEIGHT)
    this.#describe()
  }

  #pen(width: number): Pen {
    const context = prepare(this.canvas, width, this.#scroll.clientHeight)
    const colours = readColours()
    const view = this.#view
    const scale = width / (view.to - view.from)
    return { context, colours, view, width, scale, hatch: hatch(context, colours.band) }
  }

  #inView(): PlacedRow[] {
    return rowsInView(this.#laid.placed, this.#scroll.scrollTop, this.#scroll.clientHeight)
  }

  /** What is seen, for tests and for programs that read the page. */
  #describe(): void {
    const { from, to, selected, timeline, rows } = this.#view
    Object.assign(this.element.dataset, {
      from: String(from),
      to: String(to),
      lanes: String(rows.filter(({ kind }) => kind === 'mapping').length),
      selected: selected === undefined ? '' : String(timeline.trace.events[selected]!.n),
    })
  }
}

function drawRow(pen: Pen, placed: PlacedRow): void {
  const { context, colours, width } = pen
  const { row, top, height } = placed
  if (row.kind === 'device') {
    context.fillStyle = colours.band
    context.globalAlpha = 0.12
    context.fillRect(0, top, width, height)
    context.globalAlpha = 1
    return
  }
  if (row.kind === 'mapping') drawMapping(pen, placed)
  else if (row.kind === 'registers') drawRegisters(pen, placed)
  else if (row.kind === 'interrupts') drawInterrupts(pen, placed)
  else drawNotes(pen, placed)
  context.fillStyle = colours.line
  context.fillRect(0, top + height - 1, width, 1)
}

/** The event that is looked at: a line through all rows, so that one sees what else was then. */
function drawChosen(pen: Pen, height: number): void {
  const { context, colours, view } = pen
  if (view.selected === undefined) return
  const x = Math.round(xOf(pen, view.axis.positions[view.selected]!)) + 0.5
  context.strokeStyle = colours.chosen
  context.lineWidth = 2
  context.setLineDash([6, 3])
  context.beginPath()
  context.moveTo(x, 0)
  context.lineTo(x, height)
  context.stroke()
  context.setLineDash([])
}
