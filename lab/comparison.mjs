import { parseResults } from './protocol.mjs'
import { signalOf } from './signals.mjs'

/** @typedef {import('./protocol.mjs').TestResult} TestResult */
/** @typedef {import('./recorder.mjs').JobOutcome} JobOutcome */

/**
 * @typedef {object} Row one test on both kernels
 * @property {string} name
 * @property {TestResult | undefined} fake undefined: it did not run there
 * @property {TestResult | undefined} real
 */

/**
 * @typedef {object} Totals
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 */

/**
 * Sets the results of one program on the two kernels beside each other. A program without results of its own, as an
 * example is, is one test: it passes if it ends with status 0.
 * @param {string} title
 * @param {JobOutcome | undefined} fake
 * @param {JobOutcome | undefined} real
 * @param {{ hasResults: boolean }} options
 * @returns {Row[]}
 */
export function compare(title, fake, real, { hasResults }) {
  const sides = [fake, real].map((outcome) =>
    hasResults ? suiteResults(title, outcome) : [exitResult(title, outcome)],
  )
  const [fakeResults = [], realResults = []] = sides
  const names = [...new Set([...realResults, ...fakeResults].map(({ name }) => name))]
  return names.map((name) => ({
    name,
    fake: fakeResults.find((result) => result.name === name),
    real: realResults.find((result) => result.name === name),
  }))
}

/**
 * A suite whose own account does not explain how it ended has failed, whatever the account says.
 * @param {string} title
 * @param {JobOutcome | undefined} outcome
 * @returns {TestResult[]}
 */
function suiteResults(title, outcome) {
  const results = parseResults(outcome?.output ?? '')
  const explained =
    outcome?.status === 0 ? results.length > 0 : results.some(({ ok }) => !ok) && outcome?.status
  return explained
    ? distinct(results)
    : [...distinct(results), exitResult(`${title} (the whole run)`, outcome, 'no results')]
}

/**
 * Numbers the tests that bear the same name, so that none hides another.
 * @param {TestResult[]} results
 * @returns {TestResult[]}
 */
function distinct(results) {
  /** @type {Map<string, number>} */
  const seen = new Map()
  return results.map((result) => {
    const times = (seen.get(result.name) ?? 0) + 1
    seen.set(result.name, times)
    return times === 1 ? result : { ...result, name: `${result.name} (${times})` }
  })
}

/**
 * @param {string} name
 * @param {JobOutcome | undefined} outcome
 * @param {string} [otherwise] what is wrong although the status is 0
 * @returns {TestResult}
 */
function exitResult(name, outcome, otherwise) {
  if (!outcome) return { name, ok: false, error: 'it did not run' }
  if (outcome.status === undefined) return { name, ok: false, error: 'it did not come to its end' }
  if (outcome.status !== 0) {
    const errors = outcome.errors.trimEnd()
    const signal = signalOf(outcome.status)
    const how = signal ? `ended by ${signal.name}` : `exit status ${outcome.status}`
    return { name, ok: false, error: `${how}${errors && `\n${errors}`}` }
  }
  return otherwise ? { name, ok: false, error: otherwise } : { name, ok: true }
}

/**
 * Counts the tests by what they did on the real kernel; one that failed on the fake has failed, whatever it did there.
 * @param {Row[]} rows
 * @returns {Totals}
 */
export function count(rows) {
  const totals = { passed: 0, failed: 0, skipped: 0 }
  for (const { fake, real } of rows) {
    const decisive = fake?.ok === false ? fake : real
    if (decisive) totals[verdict(decisive)] += 1
  }
  return totals
}

/**
 * @param {TestResult} result
 * @returns {'passed' | 'failed' | 'skipped'}
 */
export function verdict(result) {
  if (!result.ok) return 'failed'
  return result.skipped === undefined ? 'passed' : 'skipped'
}
