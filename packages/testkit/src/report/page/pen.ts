import type { Row } from '../model/rows'
import type { Colours } from './colours'
import type { ReportView } from './report-view'

/** What every row is drawn with. */
export interface Pen {
  readonly context: CanvasRenderingContext2D
  readonly colours: Colours
  readonly hatch: CanvasPattern | string
  readonly view: ReportView
  readonly width: number
  /** Points from one unit of the axis to the next. */
  readonly scale: number
}

/** A row with the place that it has on the canvas. */
export interface PlacedRow {
  readonly row: Row
  readonly top: number
  readonly height: number
  /** How much of the height, at the bottom, is left to words about what is wrong. */
  readonly words: number
}

/** Heights of rows in points; of a mapping, what its bytes have at least. */
export const rowHeights: Readonly<Record<Row['kind'], number>> = {
  device: 26,
  registers: 36,
  interrupts: 30,
  notes: 30,
  mapping: 66,
}

/** What the words below a mapping need. */
export const WORDS_HEIGHT = 20

/** Room above and below the bytes of a mapping. */
export const MAPPING_MARGIN = 7

/** Where on the canvas a position of the axis is. */
export function xOf({ view, scale }: Pen, position: number): number {
  return (position - view.from) * scale
}

/** How wide the mark of an event is: as wide as a step, within reason. */
export function markWidth({ scale, view }: Pen): number {
  return view.axis.kind === 'step' ? Math.min(Math.max(scale * 0.6, 3), 22) : 5
}

/** Calls `draw` for the events of a row that are in view and wanted. */
export function eachMark(
  pen: Pen,
  events: readonly number[],
  draw: (index: number, x: number) => void,
): void {
  const { view, width } = pen
  const { positions } = view.axis
  const end = firstIn(events, positions, view.to + 40 / pen.scale)
  for (let i = firstIn(events, positions, view.from - 40 / pen.scale); i < end; i++) {
    const index = events[i]!
    const x = xOf(pen, positions[index]!)
    if (view.matched[index] === 1 && x < width + 40) draw(index, x)
  }
}

function firstIn(events: readonly number[], positions: Float64Array, position: number): number {
  let low = 0
  let high = events.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (positions[events[middle]!]! < position) low = middle + 1
    else high = middle
  }
  return low
}
