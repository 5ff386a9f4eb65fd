import type { MappingHistory } from '../model/mapping-history'
import type { OwnedRange, Owner } from '../model/ownership'
import { placeOf } from '../model/place'
import { eachMark, MAPPING_MARGIN, markWidth, type Pen, type PlacedRow, xOf } from './pen'

const ownerWords: Readonly<Record<Owner, string>> = { cpu: 'CPU', device: 'device', both: 'CPU and device' }

/** A lane: time from left to right, the mapping's first byte at the top and its last at the bottom, coloured by who owns them. */
export function drawMapping(pen: Pen, placed: PlacedRow): void {
  for (const history of placed.row.mappings) {
    for (const range of history.ownership.ranges) {
      drawRange(pen, placed, history, range)
      // Rings have small entries, which must not hide below words that say what the colour says.
      if (range.owner === 'both') drawOwner(pen, placed, history, range)
    }
  }
  for (const history of placed.row.mappings) {
    eachMark(pen, history.events, (index, x) => drawEvent(pen, placed, history, index, x))
  }
  for (const history of placed.row.mappings) {
    for (const range of history.ownership.ranges) {
      if (range.owner !== 'both') drawOwner(pen, placed, history, range)
    }
  }
}

/** Height of an offset in a lane. */
export function heightOf(placed: PlacedRow, { place }: MappingHistory, byteOffset: number): number {
  const share = byteOffset / Math.max(place.end - place.start, 1)
  const all = placed.height - placed.words - 2 * MAPPING_MARGIN
  return placed.top + MAPPING_MARGIN + Math.min(Math.max(share, 0), 1) * all
}

/** A thin part of a long mapping has to be seen too. */
export function span(placed: PlacedRow, history: MappingHistory, start: number, end: number, least: number) {
  const top = heightOf(placed, history, start)
  const bottom = heightOf(placed, history, end)
  const missing = Math.max(least - (bottom - top), 0)
  const lowest = placed.top + placed.height - placed.words - 2
  const y = Math.min(top - missing / 2, lowest - least)
  return { y, height: Math.max(bottom - top, least) }
}

function drawRange(pen: Pen, placed: PlacedRow, history: MappingHistory, range: OwnedRange): void {
  const { context, colours } = pen
  const { left, right } = sides(pen, range)
  if (right < 0 || left > pen.width) return
  const { y, height } = span(placed, history, range.start, range.end, 1.5)
  const wide = Math.max(right - left, 2)
  context.fillStyle = colours[range.owner]
  context.fillRect(left, y, wide, height)
  if (range.owner === 'device') {
    context.fillStyle = pen.hatch
    context.fillRect(left, y, wide, height)
  }
  context.strokeStyle = colours.paper
  context.lineWidth = 1
  context.strokeRect(left + 0.5, y + 0.5, Math.max(wide - 1, 1), Math.max(height - 1, 0.5))
}

/** Where a range begins and ends, or a little out of sight. */
function sides(pen: Pen, { from, to }: OwnedRange): { left: number; right: number } {
  const { positions, end } = pen.view.axis
  const left = Math.max(xOf(pen, positions[from]!), -8)
  return { left, right: Math.min(xOf(pen, to === undefined ? end : positions[to]!), pen.width + 8) }
}

/** Who it is and which bytes, on a ground of its own: words on a hatching are hard to read. */
function drawOwner(pen: Pen, placed: PlacedRow, history: MappingHistory, range: OwnedRange): void {
  const { context, colours, width } = pen
  const { left, right } = sides(pen, range)
  const { y, height } = span(placed, history, range.start, range.end, 1.5)
  const words = `${ownerWords[range.owner]}  ${range.start}..${range.end - 1}`
  const x = Math.max(left, 0) + 8
  const room = Math.min(right, width) - x - 8
  if (height < 18 || room < words.length * 4) return
  const wide = context.measureText(words).width
  if (wide > room) return
  context.fillStyle = colours[range.owner]
  context.fillRect(x - 4, y + 3, wide + 8, 14)
  context.fillStyle = colours.onOwner
  context.fillText(words, x, y + 10)
}

function drawEvent(pen: Pen, placed: PlacedRow, history: MappingHistory, index: number, x: number): void {
  const event = pen.view.timeline.trace.events[index]!
  const place = placeOf(event)
  if (!place) return
  const base = history.place.start
  const least = event.kind === 'dma' ? 5 : 2
  const { y, height } = span(placed, history, place.start - base, place.end - base, least)
  if (event.kind === 'dma') drawTransfer(pen, event.access, x, y, height)
  else if (event.kind === 'sync') drawSync(pen, event.for, x, y, height)
  else if (event.kind === 'map' || event.kind === 'unmap') drawEnd(pen, event.kind, x, y, height)
}

/** A write fills what it changes; a read is an outline. An arrow says which way the bytes go: down into memory, up out of it. */
function drawTransfer(pen: Pen, access: 'read' | 'write', x: number, y: number, height: number): void {
  const { context, colours } = pen
  const width = markWidth(pen)
  context.strokeStyle = colours.ink
  context.lineWidth = 1.5
  context.fillStyle = access === 'write' ? colours.ink : colours.paper
  context.fillRect(x + 2, y, width, height)
  context.strokeRect(x + 2.75, y + 0.75, Math.max(width - 1.5, 1), Math.max(height - 1.5, 1))
  if (width < 10 || height < 12) return
  context.fillStyle = access === 'write' ? colours.paper : colours.ink
  context.textAlign = 'center'
  context.fillText(access === 'write' ? '↓' : '↑', x + 2 + width / 2, y + height / 2)
  context.textAlign = 'left'
}

/** A bracket over the bytes that change hands, open towards the time in which their new owner has them. */
function drawSync(
  { context, colours, scale }: Pen,
  to: 'cpu' | 'device',
  x: number,
  y: number,
  height: number,
) {
  context.strokeStyle = colours.ink
  context.lineWidth = 2
  context.beginPath()
  context.moveTo(x + 6, y + 1)
  context.lineTo(x, y + 1)
  context.lineTo(x, y + Math.max(height - 1, 2))
  context.lineTo(x + 6, y + Math.max(height - 1, 2))
  context.stroke()
  if (scale < 14 || height < 10) return
  context.fillStyle = colours.ink
  context.beginPath()
  const up = to === 'cpu' ? -1 : 1
  const middle = y + height / 2
  context.moveTo(x + 4, middle - 4 * up)
  context.lineTo(x + 12, middle - 4 * up)
  context.lineTo(x + 8, middle + 5 * up)
  context.fill()
}

/** Begin and end of a mapping are bars a little higher than its bytes. */
function drawEnd({ context, colours }: Pen, kind: 'map' | 'unmap', x: number, y: number, height: number) {
  context.fillStyle = colours.ink
  context.fillRect(kind === 'map' ? x : x - 3, y - 3, 3, height + 6)
}
