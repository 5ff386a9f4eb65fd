import { findCrashes } from './kernel-log.mjs'
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
 * Judges how a guest ended. If not by itself, the end of its console and kernel log is printed.
 * @param {Session} session
 * @param {import('./virtual-machine.mjs').GuestOutcome} outcome
 * @returns {LabError | undefined} undefined if it came to its end by itself
 */
export function judgeGuest({ options, say }, outcome) {
  const { kernelLog, console, complete, timedOut, failure } = outcome
  if (complete) return undefined
  const known = new Set(kernelLog)
  const lines = [...kernelLog, ...console.split(/\r?\n/).filter((line) => line && !known.has(line))]
  say("the end of the guest's kernel log and console:")
  process.stderr.write(
    lines
      .slice(-tailLines)
      .map((line) => `  ${line}\n`)
      .join(''),
  )
  if (failure) return new LabError(`the guest could not be set up: ${failure}`)
  const [crash] = findCrashes(lines)
  if (!timedOut) return new LabError(`the guest ended before what ran in it did${crash ? `: ${crash}` : ''}`)
  return timeLimitError(options)
}

/** @param {{ timeoutSeconds: number }} options */
export function timeLimitError({ timeoutSeconds }) {
  return new LabError(`the guest was ended at its time limit of ${timeoutSeconds} s`, {
    hint: 'npm run lab -- --timeout SECONDS …, if it only needs longer; a stream of interrupts that nobody closed, for one, keeps a process alive',
    exitStatus: 124,
  })
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
