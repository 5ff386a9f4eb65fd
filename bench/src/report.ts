import Table from 'cli-table3'
import { isWithin, type Limit, limitOf } from './goals'
import type { Result } from './row'

const nodeMajor = Number(process.versions.node.split('.')[0])

/** The rows as a table for people. */
export function renderTable(results: readonly Result[]): string {
  const table = new Table({
    head: ['', 'unit', 'ours', 'C', 'ratio', 'MAD', 'must', ''],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'left', 'left'],
    style: { head: [], border: [] },
  })
  for (const result of results) {
    const limit = limitOf(result.name, nodeMajor)
    table.push([
      result.name,
      result.unit,
      figures(result.ours),
      result.c === null ? '' : figures(result.c),
      result.ratio === null ? '' : `${result.ratio.toFixed(2)}x`,
      result.mad === null ? '' : `${(result.mad * 100).toFixed(1)}%`,
      limit ? must(limit) : '',
      limit ? (isWithin(result, limit) ? 'ok' : 'missed') : '',
    ])
  }
  return table.toString()
}

/** The rows that are over their limit on this engine. */
export function missedRows(results: readonly Result[]): Result[] {
  return results.filter((result) => {
    const limit = limitOf(result.name, nodeMajor)
    return limit !== undefined && !isWithin(result, limit)
  })
}

/** What `--json` writes. */
export function toJson(results: readonly Result[]): string {
  const rows = results.map(({ name, unit, ours, c, ratio, runs }) => ({ name, unit, ours, c, ratio, runs }))
  return `${JSON.stringify(rows, null, 2)}\n`
}

function must({ ratio, ours }: Limit): string {
  const parts = [ratio === undefined ? '' : `${ratio}x`, ours === undefined ? '' : `${ours}`]
  return `≤ ${parts.filter((part) => part !== '').join(', ')}`
}

/** Three significant figures, without an exponent. */
function figures(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value)
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toFixed(Math.min(decimals, 5))
}
