import { bootAndRun } from './boot.mjs'
import { compare, count } from './comparison.mjs'
import { findCrashes, findDmaFaults } from './kernel-log.mjs'
import { LabError } from './lab-error.mjs'
import { kindsFor, optionsFor } from './machine-kinds.mjs'
import { formatOutputs, formatRows, formatTotals } from './report.mjs'
import { describeTimes, judgeGuest, printKernelLog } from './session.mjs'
import { listPrograms, runOnFake } from './suite.mjs'

/**
 * Runs the conformance suites and the examples on the fake and on the real kernel, and prints both beside each other.
 * @param {import('./session.mjs').Session} session
 * @param {import('./workspace.mjs').Workspace[]} workspaces
 * @returns {Promise<number>} 0 only if everything passed, on both
 */
export async function runSuite(session, workspaces) {
  const { say } = session
  const programs = listPrograms(workspaces, session.options)
  if (programs.length === 0) {
    throw new LabError('there is nothing to run: conformance and examples are not built', {
      hint: 'npm run build',
    })
  }

  const totals = { passed: 0, failed: 0, skipped: 0 }
  let passed = true
  for (const kind of kindsFor(session.options)) {
    const own = programs.filter((program) => program.machine === kind)
    if (own.length === 0) continue
    const name = `Linux ${session.machineOf(kind).kernel.version}`
    say(`machine '${kind.name}': running ${own.map(({ title }) => title).join(', ')} on ${name}`)
    const rows = await runPrograms(session, own, kind, name)
    for (const [verdict, number] of Object.entries(count(rows))) {
      totals[/** @type {keyof typeof totals} */ (verdict)] += number
    }
    passed &&= rows.every(({ fake, real }) => fake?.ok !== false && real?.ok !== false)
  }
  print(formatTotals(totals))
  return passed ? 0 : 1
}

/**
 * Boots one machine, runs what needs it, and prints what came out beside what came out on the fake.
 * @param {import('./session.mjs').Session} session
 * @param {import('./suite.mjs').Program[]} programs
 * @param {import('./machine-kinds.mjs').MachineKind} kind
 * @param {string} name of the real kernel
 */
async function runPrograms(session, programs, kind, name) {
  const { payload } = session
  const options = optionsFor(session.options, kind)
  const task = { jobs: programs.map(({ real }) => real), payload, options }
  const outcome = await bootAndRun(session, session.machineOf(kind), task, `${kind.name}-`)
  printKernelLog(session, outcome)
  const failure = judgeGuest(session, outcome)

  const width = process.stdout.columns ?? 120
  const rows = []
  for (const program of programs) {
    const { id, title } = program
    const fake = await runOnFake(program, options.timeoutSeconds)
    const real = outcome.jobs.get(id)
    rows.push(...compare(title, fake, real, { hasResults: program.kind !== 'example' }))
    if (program.kind === 'example') {
      print(formatOutputs(title, { fake: fake.output, real: real?.output ?? '', name, width }))
    }
  }
  rows.push(...kernelRows(outcome.kernelLog))
  print(formatRows(rows, { real: name }))

  const faults = findDmaFaults(outcome.kernelLog)
  if (faults.length > 0) {
    print(
      `${faults.length} times the IOMMU stopped the device (as tests of it do), last:\n    ${faults.at(-1)}`,
    )
  }
  for (const count of fuzzCounts(outcome.jobs)) print(count)
  print(describeTimes(outcome))
  if (!failure) return rows
  print(formatTotals(count(rows)))
  throw failure
}

/**
 * A kernel that crashed is a failed test, even if what ran on it came to its end.
 * @param {string[]} kernelLog
 */
function kernelRows(kernelLog) {
  const crashes = findCrashes(kernelLog)
  if (crashes.length === 0) return []
  return [
    { name: 'the kernel itself', fake: undefined, real: { name: '', ok: false, error: crashes.join('\n') } },
  ]
}

/**
 * How many operations the fuzzer compared on the real kernel, a line for each family.
 * @param {Map<string, import('./recorder.mjs').JobOutcome>} jobs
 */
function fuzzCounts(jobs) {
  const lines = [...jobs.values()].flatMap(({ output }) => output.split(/\r?\n/))
  return lines.filter((line) => /^fuzz [\w-]+: \d+ operations, /.test(line))
}

/** @param {string} text */
function print(text) {
  process.stdout.write(`${text}\n`)
}
