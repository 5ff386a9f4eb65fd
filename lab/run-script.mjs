import { bootAndRun } from './boot.mjs'
import { defaultKind, optionsFor } from './machine-kinds.mjs'
import { judgeGuest, printKernelLog } from './session.mjs'
import { nodeCommand } from './suite.mjs'

/**
 * Runs one script in the guest: its output is ours, and so is its exit status.
 * @param {import('./session.mjs').Session} session
 * @param {import('./cpio.mjs').ArchiveEntry} script
 * @param {string[]} words its arguments
 * @returns {Promise<number>}
 */
export async function runScript(session, script, words) {
  const { payload } = session
  const kind = session.options.machine ?? defaultKind
  const options = optionsFor(session.options, kind)
  const job = { id: 'script', directory: '/app/run', command: nodeCommand(script.path, ...words) }
  const onBytes = (/** @type {'output' | 'errors'} */ stream, /** @type {Uint8Array} */ bytes) => {
    const target = stream === 'output' ? process.stdout : process.stderr
    target.write(Uint8Array.from(bytes))
  }
  const task = { jobs: [job], payload: [...payload, script], options, onBytes }
  const outcome = await bootAndRun(session, session.machineOf(kind), task, 'script-')
  printKernelLog(session, outcome)
  const failure = judgeGuest(session, outcome)
  if (failure) throw failure
  return outcome.jobs.get(job.id)?.status ?? 125
}
