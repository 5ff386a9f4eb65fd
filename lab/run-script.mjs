import { dirname } from 'node:path'
import { bootAndRun } from './boot.mjs'
import { defaultKind, optionsFor } from './machine-kinds.mjs'
import { judgeGuest, printKernelLog } from './session.mjs'
import { signalOf } from './signals.mjs'
import { nodeCommand } from './suite.mjs'

/**
 * Runs one script in the guest: its output is ours, and so is its exit status.
 * @param {import('./session.mjs').Session} session
 * @param {import('./cpio.mjs').ArchiveEntry[]} files the script and what it names, in one folder
 * @param {string[]} words its arguments
 * @returns {Promise<number>}
 */
export async function runScript(session, files, words) {
  const { payload, say } = session
  const kind = session.options.machine ?? defaultKind
  const options = optionsFor(session.options, kind)
  const path = files[0]?.path ?? ''
  const job = { id: 'script', directory: dirname(path), command: nodeCommand(path, ...words) }
  const onBytes = (/** @type {'output' | 'errors'} */ stream, /** @type {Uint8Array} */ bytes) => {
    const target = stream === 'output' ? process.stdout : process.stderr
    target.write(Uint8Array.from(bytes))
  }
  const task = { jobs: [job], payload: [...payload, ...files], options, onBytes }
  const machine = session.machineOf(kind)
  say(`machine '${kind.name}': booting Linux ${machine.kernel.version}`)
  const outcome = await bootAndRun(session, machine, task, 'script-')
  printKernelLog(session, outcome)
  const failure = judgeGuest(session, outcome)
  if (failure) throw failure
  const status = outcome.jobs.get(job.id)?.status
  const signal = signalOf(status)
  if (signal) say(`the script was ended by ${signal.name}`)
  if (signal?.hint) say(`next: ${signal.hint}`)
  return status ?? 125
}
