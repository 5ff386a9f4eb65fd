import Table from 'cli-table3'

/** No lines between the cells: what is copied from the screen is then text alone. */
const chars = Object.fromEntries(
  [
    ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
    ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'],
  ].map((name) => [name, '']),
)

/** Rows below each other, their cells in columns; the first row is the heading. */
export function formatTable(rows: readonly (readonly string[])[], indent = ''): string {
  const table = new Table({
    chars,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
  })
  table.push(...rows.map((row) => [...row]))
  const lines = table.toString().split('\n')
  return lines.map((line) => `${indent}${line}`.trimEnd()).join('\n')
}
