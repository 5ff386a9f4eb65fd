import { tmpdir } from 'node:os'
import { help, parseLabArguments } from './arguments.mjs'
import { bundleScript } from './bundle.mjs'
import { cacheDirectory } from './cache.mjs'
import { findGuestKernel } from './guest-kernel.mjs'
import { baseImage } from './initramfs.mjs'
import { buildModules } from './kernel-modules.mjs'
import { LabError, obtain, unavailable } from './lab-error.mjs'
import { kindsFor } from './machine-kinds.mjs'
import { packagePayload } from './payload.mjs'
import { buildPrograms } from './programs.mjs'
import { runScript } from './run-script.mjs'
import { runShell } from './run-shell.mjs'
import { runSuite } from './run-suite.mjs'
import { makeScratchDirectory } from './scratch.mjs'
import { findTools } from './tools.mjs'
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
  const machine = await prepareMachine(options)
  const payload = packagePayload(workspaces)

  // Short: the path of a Unix socket may have no more than 107 bytes.
  const scratch = makeScratchDirectory(tmpdir(), 'linux-dma-lab-').path
  const session = { machine, payload, options, scratch, say }
  if (options.mode === 'shell') return runShell(session)
  if (script && options.run) return runScript(session, script, options.run.arguments)
  return runSuite(session, workspaces)
}

/**
 * @param {import('./arguments.mjs').LabOptions} options
 * @returns {Promise<import('./virtual-machine.mjs').Machine>}
 */
async function prepareMachine(options) {
  const cache = cacheDirectory()
  const parts = await obtain(
    'the emulator or the kernel',
    'apt-get install qemu-system-x86 busybox-static, or bring the network up for the first run',
    async () => {
      const { emulator, busybox } = await findTools(cache, say)
      const kernel = await findGuestKernel(cache, options, say)
      return { emulator, busybox, kernel, baseImage: await baseImage(cache, { kernel, busybox }) }
    },
  )
  // Most machines do without: what they take is not asked for then.
  const kinds = kindsFor(options)
  return {
    ...parts,
    builtModules: kinds.some((kind) => kind.builtModules) ? await buildModules(cache, { ...parts, say }) : [],
    builtPrograms: kinds.some((kind) => kind.builtPrograms) ? await buildPrograms(cache, { say }) : [],
  }
}

/** What the lab itself has to say goes to standard error: standard output is the guest's. @param {string} line */
function say(line) {
  process.stderr.write(`lab: ${line}\n`)
}
