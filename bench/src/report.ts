import { isWithin, type Limit, limitOf } from './goals'
import type { Result } from './row'

const nodeMajor = Number(process.versions.node.split('.')[0])

/** What the columns of {@link cells} are called. */
export const columns = ['', 'unit', 'ours', 'C', 'ratio', 'MAD', 'must', ''] as const

/** One line of the table, for people. */
export function cells(result: Result): string[] {
  const limit = limitOf(result.name, nodeMajor)
  return [
    result.name,
    result.unit,
    figures(result.ours),
    result.c === null ? '' : figures(result.c),
    result.ratio === null ? '' : `${result.ratio.toFixed(2)}x`,
    result.mad === null ? '' : `${(result.mad * 100).toFixed(1)}%`,
    limit ? must(limit, result.unit) : '',
    limit ? (isWithin(result, limit) ? 'ok' : 'missed') : '',
  ]
}

/** The table in plain text, for a machine on which nothing is installed. */
export function renderPlain(results: readonly Result[]): string {
  const lines = [[...columns], ...results.map(cells)]
  const widths = columns.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
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

function must({ ratio, ours }: Limit, unit: string): string {
  const times = ratio === undefined ? [] : [`${Number(ratio.toFixed(2))}x`]
  return `≤ ${[...times, ...(ours === undefined ? [] : [`${ours} ${unit}`])].join(', ')}`
}

/** Three significant figures, without an exponent. */
function figures(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value)
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toFixed(Math.min(decimals, 5))
}
