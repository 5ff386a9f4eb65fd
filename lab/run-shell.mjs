import { LabError } from './lab-error.mjs'
import { defaultKind, optionsFor } from './machine-kinds.mjs'
import { printKernelLog, timeLimitError } from './session.mjs'
import { runGuest } from './virtual-machine.mjs'

/**
 * Gives the terminal a prompt in the guest.
 * @param {import('./session.mjs').Session} session
 * @returns {Promise<number>}
 */
export async function runShell(session) {
  const { machineOf, payload, scratch, say } = session
  const kind = session.options.machine ?? defaultKind
  const options = optionsFor(session.options, kind)
  say('the packages are in /app; "poweroff" or ctrl-A x ends the guest')
  const { columns = 80, rows = 24 } = process.stdout
  const environment = {
    TERM: process.env.TERM ?? 'linux',
    PS1: '\\w # ',
    COLUMNS: String(columns),
    LINES: String(rows),
  }
  const task = { jobs: [], payload, options, environment, shell: true }
  const outcome = await runGuest(machineOf(kind), task, scratch)
  printKernelLog(session, outcome)
  if (outcome.failure) throw new LabError(`the guest could not be set up: ${outcome.failure}`)
  if (outcome.timedOut) throw timeLimitError(options)
  // However else it ended (poweroff, ctrl-A x, a panic), the terminal showed it.
  return 0
}
