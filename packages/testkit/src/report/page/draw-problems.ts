import type { MappingHistory } from '../model/mapping-history'
import type { Problem } from '../model/problem'
import { span } from './draw-mapping'
import { eachMark, markWidth, type Pen, type PlacedRow } from './pen'

/** So much of a title is shown; all of it is in the list of problems. */
const LONGEST = 90

/** What went wrong in a row: the bytes that it is about in a frame with a cross, and in words. Over everything else. */
export function drawProblems(pen: Pen, placed: PlacedRow): void {
  const { row } = placed
  const { problemsAt } = pen.view.timeline
  const found: { problem: Problem; box: Box }[] = []
  const find = (index: number, x: number, history?: MappingHistory) => {
    for (const problem of problemsAt.get(index) ?? []) {
      found.push({ problem, box: boxOf(pen, placed, problem, x, history) })
    }
  }
  if (row.kind === 'notes') eachMark(pen, row.events, (index, x) => find(index, x))
  for (const history of row.mappings) {
    eachMark(pen, history.events, (index, x) => find(index, x, history))
  }
  for (const { problem, box } of found) drawBox(pen, problem, box)
  drawAllWords(pen, placed, found)
}

/** Words that would run into others, or over the next mark, are left to the list of problems. */
function drawAllWords(pen: Pen, placed: PlacedRow, found: readonly { problem: Problem; box: Box }[]): void {
  let free = Number.NEGATIVE_INFINITY
  found.forEach(({ problem, box }, i) => {
    const end = placed.words > 0 ? pen.width : (found[i + 1]?.box.x ?? pen.width)
    const wide = pen.context.measureText(shortened(problem.title)).width
    const beside = placed.words > 0 ? box.x + 4 : box.x + box.width + 4
    const x = placed.words > 0 ? Math.max(Math.min(beside, pen.width - wide - 12), free, 4) : beside
    if (box.x < free || x + wide + 8 > end) return
    drawWords(pen, placed, problem, box, x)
    free = x + wide + 12
  })
}

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

function boxOf(
  pen: Pen,
  placed: PlacedRow,
  problem: Problem,
  x: number,
  history: MappingHistory | undefined,
): Box {
  const width = Math.max(markWidth(pen) + 4, 12)
  if (!history || !problem.place) return { x, y: placed.top + placed.height / 2 - 6, width: 12, height: 12 }
  const base = history.place.start
  return { x, width, ...span(placed, history, problem.place.start - base, problem.place.end - base, 10) }
}

function drawBox({ context, colours }: Pen, { severity }: Problem, { x, y, width, height }: Box): void {
  context.strokeStyle = colours.problem
  context.lineWidth = 2.5
  context.globalAlpha = 0.35
  context.fillStyle = colours.problem
  context.fillRect(x, y, width, height)
  context.globalAlpha = 1
  context.setLineDash(severity === 'hazard' ? [4, 2] : [])
  context.strokeRect(x + 1, y + 1, width - 2, height - 2)
  context.setLineDash([])
  const [middleX, middleY] = [x + width / 2, y + height / 2]
  for (const [colour, line] of [
    [colours.paper, 5],
    [colours.problem, 2.5],
  ] as const) {
    context.strokeStyle = colour
    context.lineWidth = line
    context.beginPath()
    context.moveTo(middleX - 4, middleY - 4)
    context.lineTo(middleX + 4, middleY + 4)
    context.moveTo(middleX + 4, middleY - 4)
    context.lineTo(middleX - 4, middleY + 4)
    context.stroke()
  }
}

/** Beside a mark of a row of notes; in a mapping's row below the bytes, which are to be seen. */
function drawWords(
  { context, colours }: Pen,
  placed: PlacedRow,
  problem: Problem,
  box: Box,
  x: number,
): void {
  const below = placed.words > 0
  const y = below ? placed.top + placed.height - placed.words / 2 - 2 : box.y + box.height / 2
  context.fillStyle = colours.problem
  // A line leads from the bytes down to what is said of them.
  if (below) context.fillRect(box.x + 1, box.y + box.height, 2, Math.max(y - box.y - box.height - 6, 0))
  context.fillText(shortened(problem.title), x + 4, y)
}

function shortened(title: string): string {
  return title.length > LONGEST ? `${title.slice(0, LONGEST - 1)}…` : title
}
