import { ticksOf } from '../model/ticks'
import { type Pen, xOf } from './pen'

/** So many points are between two times: their words need room. */
const APART = 90

/** The times, above the rows. */
export function drawAxis(context: CanvasRenderingContext2D, pen: Pen, height: number): void {
  const { colours, view, scale } = pen
  const { trace } = view.timeline
  context.fillStyle = colours.quiet
  for (const { position, label } of ticksOf(view.axis, trace.events, view.from, view.to, APART / scale)) {
    const x = xOf(pen, position)
    if (x < 0 || x + context.measureText(label).width + 4 > pen.width) continue
    context.fillRect(x, height - 7, 1, 7)
    context.fillText(label, x + 3, height / 2 - 2)
  }
}
