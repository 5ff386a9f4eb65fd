import type { Row } from '../model/rows'
import type { Timeline } from '../model/timeline'
import { type PlacedRow, rowHeights, WORDS_HEIGHT } from './pen'

/** A lane is no higher than so many times what it has at least, however much room there is. */
const MOST = 2.3

/** A lane with a problem is so much higher: parts of it are to be told apart. */
const WITH_PROBLEM = 1.7

/** Rows with their places, one below the other. Where there are few, `room` is shared out to the bytes of mappings. */
export function placeRows(
  rows: readonly Row[],
  { problemsAt }: Timeline,
  room: number,
): { placed: readonly PlacedRow[]; height: number } {
  const least = rows.map((row) => {
    const words = hasProblem(row, problemsAt) ? WORDS_HEIGHT : 0
    const height = rowHeights[row.kind] * (words > 0 ? WITH_PROBLEM : 1)
    return { row, words, height }
  })
  const lanes = sum(least.map(({ row, height }) => (row.kind === 'mapping' ? height : 0)))
  const others = sum(least.map(({ row, height, words }) => (row.kind === 'mapping' ? words : height)))
  const stretch = Math.min(Math.max((room - others) / Math.max(lanes, 1), 1), MOST)
  let top = 0
  const placed = least.map(({ row, words, height: bytes }) => {
    const height = Math.floor(row.kind === 'mapping' ? bytes * stretch : bytes) + words
    const there = { row, top, height, words }
    top += height
    return there
  })
  return { placed, height: top }
}

/** Those that are in view, moved up by as much as one has scrolled. */
export function rowsInView(placed: readonly PlacedRow[], scrolled: number, height: number): PlacedRow[] {
  return placed
    .filter(({ top, height: own }) => top + own > scrolled && top < scrolled + height)
    .map((row) => ({ ...row, top: row.top - scrolled }))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}

function hasProblem({ kind, events }: Row, problemsAt: Timeline['problemsAt']): boolean {
  return kind === 'mapping' && events.some((index) => problemsAt.has(index))
}
