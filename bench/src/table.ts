import Table from 'cli-table3'
import { cells, columns } from './report'
import type { Result } from './row'

/** The rows as a table for people. */
export function renderTable(results: readonly Result[]): string {
  const table = new Table({
    head: [...columns],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'left', 'left'],
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    style: { head: [], border: [] },
  })
  for (const result of results) table.push(cells(result))
  return table.toString()
}
