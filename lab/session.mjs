import { findCrashes, findStalls } from './kernel-log.mjs'
import { LabError } from './lab-error.mjs'

/**
 * @typedef {object} Session what every way to use the lab starts from
 * @property {(kind: import('./machine-kinds.mjs').MachineKind) => import('./virtual-machine.mjs').Machine} machineOf
 * @property {import('./cpio.mjs').ArchiveEntry[]} payload the packages
 * @property {import('./arguments.mjs').LabOptions} options
 * @property {string} scratch an empty directory
 * @property {(line: string) => void} say
 */

/** How many lines are to tell why a guest ended. */
const tailLines = 60

/**
 * Prints the guest's kernel log where asked.
 * @param {Session} session
 * @param {import('./virtual-machine.mjs').GuestOutcome} outcome
 */
export function printKernelLog({ options }, { kernelLog }) {
  if (options.kernelLog) process.stderr.write(kernelLog.map((line) => `${line}\n`).join(''))
}

/**
 * Judges how a guest ended. If not by itself, the end of its console and kernel log is printed, unless it was well and
 * only what ran in it took too long.
 * @param {Session} session
 * @param {import('./virtual-machine.mjs').GuestOutcome} outcome
 * @returns {LabError | undefined} undefined if it came to its end by itself
 */
export function judgeGuest({ options, say }, outcome) {
  const { kernelLog, console, complete, timedOut, failure, unfinished } = outcome
  if (complete) return undefined
  const known = new Set(kernelLog)
  const lines = [...kernelLog, ...console.split(/\r?\n/).filter((line) => line && !known.has(line))]
  const [crash] = findCrashes(lines)
  if (timedOut && unfinished && !crash && findStalls(lines).length === 0) {
    return timeLimitError(options, unfinished)
  }
  say("the end of the guest's kernel log and console:")
  process.stderr.write(
    lines
      .slice(-tailLines)
      .map((line) => `  ${line}\n`)
      .join(''),
  )
  if (failure) return new LabError(`the guest could not be set up: ${failure}`)
  if (!timedOut) return new LabError(`the guest ended before what ran in it did${crash ? `: ${crash}` : ''}`)
  return timeLimitError(options)
}

/**
 * @param {{ timeoutSeconds: number }} options
 * @param {import('./recorder.mjs').UnfinishedJob} [job] what ran
 */
export function timeLimitError({ timeoutSeconds }, job) {
  const last = job ? `; ${describeSilence(job)}` : ''
  return new LabError(`the guest was ended at its time limit of ${timeoutSeconds} s${last}`, {
    hint: 'npm run lab -- --timeout SECONDS …, if it only needs longer; a stream of interrupts that nobody closed, for one, keeps a process alive; --kernel-log has what the kernel said',
    exitStatus: 124,
  })
}

/** @param {import('./recorder.mjs').UnfinishedJob} job */
function describeSilence({ id, lastLine, silentMilliseconds }) {
  const what = id === 'script' ? 'the script' : id
  if (lastLine === undefined) return `${what} printed nothing at all`
  const line = lastLine.length > 120 ? `${lastLine.slice(0, 120)}…` : lastLine
  return `${what} printed nothing for the last ${Math.round(silentMilliseconds / 1000)} s, and before that: ${line}`
}

/**
 * How long a guest took, in words.
 * @param {import('./virtual-machine.mjs').GuestOutcome} outcome
 * @returns {string}
 */
export function describeTimes({ bootMilliseconds, totalMilliseconds }) {
  const seconds = (/** @type {number} */ milliseconds) => (milliseconds / 1000).toFixed(1)
  return `booted in ${seconds(bootMilliseconds)} s, ${seconds(totalMilliseconds)} s in all`
}
