import type { Row } from '../model/rows'
import type { Timeline } from '../model/timeline'
import { type PlacedRow, rowHeights, WORDS_HEIGHT } from './pen'

/** A lane is no higher than this, however much room there is. */
const HIGHEST = 150

/** Rows with their places, one below the other. Where there are few, `room` is shared out to the bytes of mappings. */
export function placeRows(
  rows: readonly Row[],
  { problemsAt }: Timeline,
  room: number,
): { placed: readonly PlacedRow[]; height: number } {
  const words = rows.map((row) => (hasWords(row, problemsAt) ? WORDS_HEIGHT : 0))
  const least = rows.reduce((sum, row, i) => sum + rowHeights[row.kind] + words[i]!, 0)
  const lanes = rows.filter(({ kind }) => kind === 'mapping').length
  const extra = Math.max((room - least) / Math.max(lanes, 1), 0)
  const bytes = Math.floor(Math.min(rowHeights.mapping + extra, HIGHEST))
  let top = 0
  const placed = rows.map((row, i) => {
    const height = (row.kind === 'mapping' ? bytes : rowHeights[row.kind]) + words[i]!
    const there = { row, top, height, words: words[i]! }
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

function hasWords({ kind, events }: Row, problemsAt: Timeline['problemsAt']): boolean {
  return kind === 'mapping' && events.some((index) => problemsAt.has(index))
}
