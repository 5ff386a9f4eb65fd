import { prepare } from './canvas'
import { readColours } from './colours'
import { element } from './dom'
import type { ReportView } from './report-view'

const HEIGHT = 34

/** All of the trace in one strip: how much went on when, what went wrong, and which part is seen below. */
export class Overview {
  readonly element: HTMLElement
  readonly #canvas = element('canvas', { 'aria-hidden': 'true', id: 'overview' })
  readonly #view: ReportView
  /** Where a drag began, on the axis. */
  #anchor: number | undefined

  constructor(view: ReportView) {
    this.#view = view
    const corner = element('span', { className: 'corner' }, 'overview')
    this.element = element('div', { className: 'overview' }, corner, this.#canvas)
    this.#canvas.addEventListener('pointerdown', (event) => this.#begin(event))
    this.#canvas.addEventListener('pointermove', (event) => this.#drag(event))
    this.#canvas.addEventListener('pointerup', (event) => this.#release(event))
    view.onChange(() => this.#draw())
  }

  /** A click moves what is seen there; a drag spans it anew. */
  #begin(event: PointerEvent): void {
    this.#canvas.setPointerCapture(event.pointerId)
    this.#anchor = this.#position(event.offsetX)
  }

  #drag(event: PointerEvent): void {
    if (this.#anchor === undefined) return
    const now = this.#position(event.offsetX)
    const [from, to] = [Math.min(this.#anchor, now), Math.max(this.#anchor, now)]
    if ((to - from) * this.#scale() > 4) this.#view.show(from, to)
  }

  #release(event: PointerEvent): void {
    const { from, to } = this.#view
    const now = this.#position(event.offsetX)
    if (this.#anchor !== undefined && Math.abs(now - this.#anchor) * this.#scale() <= 4) {
      this.#view.show(now - (to - from) / 2, now + (to - from) / 2)
    }
    this.#anchor = undefined
  }

  #position(x: number): number {
    return this.#view.extent.start + x / this.#scale()
  }

  #scale(): number {
    const { start, end } = this.#view.extent
    return this.#canvas.clientWidth / (end - start)
  }

  #draw(): void {
    const width = Math.max(
      this.element.clientWidth - (this.#canvas.previousElementSibling as HTMLElement).offsetWidth,
      50,
    )
    const context = prepare(this.#canvas, width, HEIGHT)
    const colours = readColours()
    const { axis, matched, timeline, from, to, extent } = this.#view
    const scale = width / (extent.end - extent.start)
    const counts = new Uint16Array(Math.ceil(width / 3) + 1)
    axis.positions.forEach((position, i) => {
      if (matched[i] === 1) counts[Math.floor(((position - extent.start) * scale) / 3)]! += 1
    })
    const most = counts.reduce((a, b) => Math.max(a, b), 1)
    context.fillStyle = colours.quiet
    counts.forEach((count, i) => {
      const height = count === 0 ? 0 : 3 + Math.sqrt(count / most) * (HEIGHT - 12)
      context.fillRect(i * 3, HEIGHT - height, 2, height)
    })
    context.fillStyle = colours.problem
    for (const index of timeline.problemsAt.keys()) {
      const x = (axis.positions[index]! - extent.start) * scale
      context.fillRect(x - 1, 0, 2.5, HEIGHT)
      context.fillRect(x - 3, 0, 6.5, 6)
    }
    context.strokeStyle = colours.chosen
    context.lineWidth = 2
    context.strokeRect((from - extent.start) * scale + 1, 1, Math.max((to - from) * scale - 2, 3), HEIGHT - 2)
  }
}
