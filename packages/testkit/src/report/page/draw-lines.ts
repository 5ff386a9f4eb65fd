import type { InterruptEvent } from '../../trace/trace-event'
import { registerName, registerValue } from '../model/event-text'
import { fitText } from './canvas'
import { eachMark, markWidth, type Pen, type PlacedRow, xOf } from './pen'

/** Register traffic: what the driver writes hangs below the line, what it reads stands on it. Values where there is room. */
export function drawRegisters(pen: Pen, { row, top, height }: PlacedRow): void {
  const { context, colours, view, scale } = pen
  const { events } = view.timeline.trace
  const middle = top + height / 2
  context.fillStyle = colours.line
  context.fillRect(0, middle - 0.5, pen.width, 1)
  const width = Math.min(markWidth(pen), 8)
  eachMark(pen, row.events, (index, x) => {
    const event = events[index]!
    if (event.kind !== 'register') return
    const writes = event.access === 'write'
    context.fillStyle = context.strokeStyle = colours.register
    context.lineWidth = 1.5
    if (writes) context.fillRect(x, middle, width, 11)
    else context.strokeRect(x + 0.75, middle - 11, width - 1.5, 10.25)
    if (scale < 60) return
    context.fillStyle = colours.ink
    const y = writes ? middle + 7 : middle - 7
    const words = `${event.name ?? `+0x${event.offset.toString(16)}`} ${writes ? '←' : '→'} ${registerValue(event)}`
    if (
      !fitText(
        context,
        `${registerName(event)} ${words.slice(words.indexOf(' ') + 1)}`,
        x + 12,
        y,
        scale - 14,
      )
    ) {
      fitText(context, words, x + 12, y, scale - 14)
    }
  })
}

/** Interrupts: a ring where the device raises one, a disc where the program hears of it, and the way between. */
export function drawInterrupts(pen: Pen, { row, top, height }: PlacedRow): void {
  const { context, colours, view } = pen
  const { events } = view.timeline.trace
  const middle = top + height / 2
  context.strokeStyle = context.fillStyle = colours.interrupt
  const waiting = new Map<number, number>()
  for (const index of row.events) {
    const event = events[index]!
    if (event.kind !== 'interrupt') continue
    const x = xOf(pen, view.axis.positions[index]!)
    const raised = waiting.get(event.vector)
    if (event.stage === 'raised') waiting.set(event.vector, raised ?? x)
    else if (raised !== undefined && event.stage === 'delivered') {
      context.fillRect(raised + 5, middle - 1, Math.max(x - raised - 10, 1), 2)
      waiting.delete(event.vector)
    }
  }
  eachMark(pen, row.events, (index, x) => {
    const event = events[index]!
    if (event.kind !== 'interrupt') return
    drawInterrupt(pen, event.stage, x, middle)
    context.fillStyle = colours.ink
    const words = event.count > 1 ? `${event.vector} ×${event.count}` : String(event.vector)
    if (pen.scale > 18) fitText(context, words, x + 8, middle - 7, pen.scale)
  })
}

/** A bar is where the program began to listen, or stopped. */
function drawInterrupt(
  { context, colours }: Pen,
  stage: InterruptEvent['stage'],
  x: number,
  y: number,
): void {
  context.lineWidth = 2
  context.fillStyle = stage === 'raised' ? colours.paper : colours.interrupt
  if (stage !== 'raised' && stage !== 'delivered') {
    context.fillRect(x - 1, y - 8, 2.5, 16)
    return
  }
  context.beginPath()
  context.arc(x, y, 5, 0, 2 * Math.PI)
  context.fill()
  context.stroke()
}

/** Remarks, and what went wrong wherever it was: in this row all of it is found. */
export function drawNotes(pen: Pen, { row, top, height }: PlacedRow): void {
  const { context, colours, view, scale } = pen
  const { events } = view.timeline.trace
  const middle = top + height / 2
  eachMark(pen, row.events, (index, x) => {
    const event = events[index]!
    if (event.kind !== 'note') return
    context.fillStyle = colours.quiet
    context.beginPath()
    context.moveTo(x, middle - 5)
    context.lineTo(x + 5, middle)
    context.lineTo(x, middle + 5)
    context.lineTo(x - 5, middle)
    context.fill()
    if (scale < 40) return
    context.fillStyle = colours.ink
    fitText(context, event.message, x + 9, middle, scale * 4)
  })
}
