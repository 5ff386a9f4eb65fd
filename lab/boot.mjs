import { findCrashes } from './kernel-log.mjs'
import { makeScratchDirectory } from './scratch.mjs'
import { runGuest } from './virtual-machine.mjs'

/**
 * Boots a guest and runs a task in it. On a busy host the emulator can trip over a kernel that patches its own code while it
 * boots: a guest whose kernel crashed before anything of ours ran in it is booted once more, and that is said.
 * @param {import('./session.mjs').Session} session
 * @param {import('./virtual-machine.mjs').Machine} machine
 * @param {import('./virtual-machine.mjs').Task} task
 * @param {string} prefix of the name of its scratch directory
 * @returns {Promise<import('./virtual-machine.mjs').GuestOutcome>}
 */
export async function bootAndRun({ scratch, say }, machine, task, prefix) {
  const first = await runOnce()
  const crash = crashWhileBooting(first)
  if (crash === undefined) return first
  say(`the guest's kernel crashed while it booted, once more: ${crash}`)
  return runOnce()

  async function runOnce() {
    const folder = makeScratchDirectory(scratch, prefix)
    try {
      return await runGuest(machine, task, folder.path)
    } finally {
      folder.remove()
    }
  }
}

/**
 * What a kernel said when it crashed before the first job; undefined where it did not.
 * @param {Pick<import('./virtual-machine.mjs').GuestOutcome, 'jobs' | 'failure' | 'kernelLog' | 'console'>} outcome
 * @returns {string | undefined}
 */
export function crashWhileBooting({ jobs, failure, kernelLog, console }) {
  if (jobs.size > 0 || failure !== undefined) return undefined
  return findCrashes([...kernelLog, ...console.split(/\r?\n/)])[0]
}
