import { tmpdir } from 'node:os'
import { help, parseLabArguments } from './arguments.mjs'
import { bundleScript } from './bundle.mjs'
import { LabError, unavailable } from './lab-error.mjs'
import { prepareMachines } from './machines.mjs'
import { packagePayload } from './payload.mjs'
import { runScript } from './run-script.mjs'
import { runShell } from './run-shell.mjs'
import { runSuite } from './run-suite.mjs'
import { makeScratchDirectory } from './scratch.mjs'
import { listWorkspaces, repository } from './workspace.mjs'

/**
 * The lab's command line.
 * @param {string[]} argv without node and the script
 * @returns {Promise<number>} the exit status
 */
export async function main(argv) {
  // A signal ends this process in order: what it started and wrote is removed as it exits.
  process.once('SIGINT', () => process.exit(130))
  process.once('SIGTERM', () => process.exit(143))
  process.once('SIGHUP', () => process.exit(129))
  try {
    const options = parseLabArguments(argv)
    if (options.mode === 'help') {
      process.stdout.write(help)
      return 0
    }
    return await start(options)
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    say(error.message)
    if (error.hint) say(`next: ${error.hint}`)
    return error.exitStatus
  }
}

/** @param {import('./arguments.mjs').LabOptions} options */
async function start(options) {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new LabError(`the lab needs Linux on x64, and this is ${process.platform} on ${process.arch}`, {
      hint: 'npm test (the fake kernel needs nothing)',
      exitStatus: unavailable,
    })
  }
  const workspaces = listWorkspaces(repository)
  const script = options.run ? await bundleScript(options.run.file) : undefined
  for (const note of script?.notes ?? []) say(note)
  const machineOf = await prepareMachines(options, say)
  const payload = packagePayload(workspaces)

  // Short: the path of a Unix socket may have no more than 107 bytes.
  const scratch = makeScratchDirectory(tmpdir(), 'linux-dma-lab-').path
  const session = { machineOf, payload, options, scratch, say }
  if (options.mode === 'shell') return runShell(session)
  if (script && options.run) return runScript(session, script.files, options.run.arguments)
  return runSuite(session, workspaces)
}

/** What the lab itself has to say goes to standard error: standard output is the guest's. @param {string} line */
function say(line) {
  process.stderr.write(`lab: ${line}\n`)
}
