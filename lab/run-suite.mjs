import { compare, count } from './comparison.mjs'
import { findCrashes, findDmaFaults } from './kernel-log.mjs'
import { LabError } from './lab-error.mjs'
import { formatOutputs, formatRows, formatTotals } from './report.mjs'
import { describeTimes, judgeGuest, printKernelLog } from './session.mjs'
import { listPrograms, runOnFake } from './suite.mjs'
import { runGuest } from './virtual-machine.mjs'

/**
 * Runs the conformance suite and the examples on the fake and on the real kernel, and prints both beside each other.
 * @param {import('./session.mjs').Session} session
 * @param {import('./workspace.mjs').Workspace[]} workspaces
 * @returns {Promise<number>} 0 only if everything passed, on both
 */
export async function runSuite(session, workspaces) {
  const { machine, payload, options, scratch, say } = session
  const programs = listPrograms(workspaces)
  if (programs.length === 0) {
    throw new LabError('there is nothing to run: conformance and examples are not built', {
      hint: 'npm run build',
    })
  }

  say(`running ${programs.length} programs on Linux ${machine.kernel.version}`)
  const task = { jobs: programs.map(({ real }) => real), payload, options }
  const outcome = await runGuest(machine, task, scratch)
  printKernelLog(session, outcome)
  const failure = judgeGuest(session, outcome)

  const name = `Linux ${machine.kernel.version}`
  const width = process.stdout.columns ?? 120
  const rows = []
  for (const { id, title, kind, ...program } of programs) {
    const fake = await runOnFake({ id, title, kind, ...program }, options.timeoutSeconds)
    const real = outcome.jobs.get(id)
    rows.push(...compare(title, fake, real, { hasResults: kind === 'conformance' }))
    if (kind === 'example') {
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
  print(describeTimes(outcome))
  print(formatTotals(count(rows)))
  if (failure) throw failure
  return rows.every(({ fake, real }) => fake?.ok !== false && real?.ok !== false) ? 0 : 1
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

/** @param {string} text */
function print(text) {
  process.stdout.write(`${text}\n`)
}
