import Table from 'cli-table3'
import { verdict } from './comparison.mjs'

/** @typedef {import('./comparison.mjs').Row} Row */

/**
 * Draws the results on both kernels beside each other, then what went wrong.
 * @param {Row[]} rows
 * @param {{ real: string }} names what the real kernel is called
 * @returns {string}
 */
export function formatRows(rows, { real }) {
  const table = new Table({ head: ['test', 'fake', real], style: { head: [], border: [], compact: true } })
  for (const row of rows) table.push([row.name, cell(row.fake), cell(row.real)])
  const failures = rows.flatMap(({ name, ...sides }) =>
    [
      ['fake', sides.fake],
      [real, sides.real],
    ].flatMap(([kernel, result]) =>
      isFailure(result)
        ? [`FAILED on ${kernel}: ${name}\n${indent(result.error ?? 'no reason was given')}`]
        : [],
    ),
  )
  return [table.toString(), ...failures].join('\n')
}

/**
 * Draws what one program wrote on either kernel, the fake's left and the real one's right.
 * @param {string} title
 * @param {{ fake: string, real: string, name: string, width: number }} sides `width`: columns of the terminal
 * @returns {string}
 */
export function formatOutputs(title, { fake, real, name, width }) {
  // Four bars and a space on either side of the two texts: eight columns in all.
  const column = Math.max(30, Math.floor((width - 3) / 2))
  const table = new Table({
    head: [`${title}, fake`, name],
    colWidths: [column, column],
    wordWrap: true,
    wrapOnWordBoundary: false,
    style: { head: [], border: [] },
  })
  table.push([fake.trimEnd(), real.trimEnd()])
  return table.toString()
}

/**
 * The last line of a run.
 * @param {import('./comparison.mjs').Totals} totals
 * @returns {string}
 */
export function formatTotals({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

/** @param {Row['real']} result */
function cell(result) {
  if (!result) return '-'
  const word = verdict(result)
  if (word === 'failed') return 'FAILED'
  if (word === 'skipped') return `skipped: ${result.skipped}`
  return result.milliseconds === undefined ? 'ok' : `ok ${Math.round(result.milliseconds)} ms`
}

/**
 * @param {unknown} result
 * @returns {result is import('./protocol.mjs').TestResult}
 */
function isFailure(result) {
  return typeof result === 'object' && result !== null && 'ok' in result && result.ok === false
}

/** @param {string} text */
function indent(text) {
  return text.replaceAll(/^/gm, '    ')
}
