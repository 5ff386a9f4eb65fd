import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync, constants, copyFileSync, existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { writeArchive } from './cpio.mjs'
import { LabError } from './lab-error.mjs'
import { planEntries } from './plan.mjs'
import { ports, qemuArguments } from './qemu.mjs'
import { Recorder } from './recorder.mjs'

/**
 * @typedef {object} Machine what is booted
 * @property {import('./tools.mjs').Emulator} emulator
 * @property {import('./guest-kernel.mjs').GuestKernel} kernel
 * @property {string} baseImage
 * @property {import('./cpio.mjs').ArchiveEntry[]} builtModules those that the lab built; none where no machine has them
 * @property {import('./cpio.mjs').ArchiveEntry[]} builtPrograms the same of programs in C
 */

/**
 * @typedef {object} Task what it does
 * @property {import('./plan.mjs').Job[]} jobs
 * @property {import('./cpio.mjs').ArchiveEntry[]} payload
 * @property {import('./machine-kinds.mjs').GuestOptions} options
 * @property {Record<string, string>} [environment]
 * @property {boolean} [shell] connect the terminal to the console, for a prompt
 * @property {(stream: 'output' | 'errors', bytes: Uint8Array) => void} [onBytes] what programs write, as they do
 */

/**
 * @typedef {object} GuestOutcome
 * @property {Map<string, import('./recorder.mjs').JobOutcome>} jobs those that were begun
 * @property {boolean} complete whether the guest came to its end by itself
 * @property {boolean} timedOut
 * @property {import('./recorder.mjs').UnfinishedJob | undefined} unfinished the job that did not come to its end
 * @property {string | undefined} failure why the guest could not be set up
 * @property {string[]} kernelLog
 * @property {string} console
 * @property {number} bootMilliseconds from starting QEMU to the first job; NaN if there was none
 * @property {number} totalMilliseconds
 */

/**
 * Boots the guest, runs the jobs in it and waits for it to turn itself off.
 * @param {Machine} machine
 * @param {Task} task
 * @param {string} scratch an empty directory
 * @returns {Promise<GuestOutcome>}
 * @throws {LabError} if QEMU cannot be started
 */
export async function runGuest(machine, task, scratch) {
  const { jobs, payload, options, environment, shell = false, onBytes } = task
  const token = randomBytes(8).toString('hex')
  const plan = planEntries({ token, jobs, ...options, environment, shell })
  const initrd = join(scratch, 'initrd')
  const modules = options.builtModules ? machine.builtModules : []
  const programs = options.builtPrograms ? machine.builtPrograms : []
  appendArchive(machine.baseImage, writeArchive([...modules, ...programs, ...payload, ...plan]), initrd)

  /** @type {() => void} */
  let begin = () => {}
  const begun = new Promise((resolve) => (begin = () => resolve(undefined)))
  const record = new Recorder(token, onBytes, begin)
  const listeners = await Promise.all(ports.map((port) => listen(join(scratch, port), record.reader(port))))
  const consoleFile = shell ? undefined : join(scratch, 'console')
  const words = qemuArguments({
    ...options,
    kernel: machine.kernel.image,
    initrd,
    console: consoleFile,
    socket: (port) => join(scratch, port),
  })
  const exit = await startQemu(machine.emulator, words, options.timeoutSeconds, shell ? begun : undefined)
  await Promise.all(listeners.map((listener) => listener.close()))
  const outcome = record.finish()
  const console = consoleFile && existsSync(consoleFile) ? readFileSync(consoleFile, 'utf8') : ''
  if (exit.status !== 0 && !exit.timedOut && outcome.jobs.size === 0 && !outcome.failure && console === '') {
    throw new LabError(`QEMU ended with status ${exit.status}:\n${exit.errors.trimEnd()}`, {
      hint: 'npm run lab -- --help',
    })
  }
  return { ...outcome, console: `${console}${exit.errors}`, ...exit }
}

/**
 * @param {string} path
 * @param {(chunk: Uint8Array) => void} onChunk
 */
async function listen(path, onChunk) {
  /** @type {Promise<void>[]} */
  const connections = []
  const server = createServer((socket) => {
    socket.on('data', onChunk)
    // A guest that is ended may reset the connection: what came before stands.
    connections.push(new Promise((resolve) => socket.on('error', () => {}).on('close', () => resolve())))
  })
  await new Promise((resolve, reject) => server.on('error', reject).listen(path, () => resolve(undefined)))
  return {
    /** Waits for the last byte. */
    async close() {
      await Promise.all(connections)
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/**
 * Runs QEMU to its end, or ends it after the time limit or with this process.
 * @param {import('./tools.mjs').Emulator} emulator
 * @param {string[]} words
 * @param {number} timeoutSeconds
 * @param {Promise<unknown>} [prompt] where the terminal is for the guest: when that begins to read
 * @returns {Promise<{ status: number, errors: string, timedOut: boolean, totalMilliseconds: number }>}
 */
function startQemu(emulator, words, timeoutSeconds, prompt) {
  const interactive = prompt !== undefined
  // What is typed before there is a prompt is seen to be lost; what comes from a file or a pipe has to wait for it.
  const fed = interactive && !process.stdin.isTTY
  const started = performance.now()
  const child = spawn(emulator.path, [...emulator.arguments, ...words], {
    stdio: interactive ? [fed ? 'pipe' : 'inherit', 'inherit', 'pipe'] : ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...emulator.environment },
    // Away from the terminal's ctrl-C, which this process handles; at the prompt ctrl-C belongs to the guest.
    detached: !interactive,
  })
  if (fed) prompt.then(() => feed(child.stdin))
  const kill = () => child.kill('SIGKILL')
  let timedOut = false
  const limit = timeoutSeconds > 0 ? setTimeout(() => (timedOut = kill()), timeoutSeconds * 1000) : undefined
  process.on('exit', kill)
  let errors = ''
  child.stderr?.setEncoding('utf8').on('data', (chunk) => {
    errors += chunk
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(limit)
      process.off('exit', kill)
      if (fed) process.stdin.destroy()
      resolve({ status: code ?? 1, errors, timedOut, totalMilliseconds: performance.now() - started })
    })
  })
}

/**
 * Hands this process's input to the guest's prompt, which is left at its end.
 * @param {import('node:stream').Writable | null} console
 */
function feed(console) {
  if (!console) return
  // A guest that has ended reads no more.
  console.on('error', () => process.stdin.destroy())
  process.stdin.on('end', () => console.write('\nexit\n')).pipe(console, { end: false })
}

/**
 * The kernel unpacks archives that follow each other.
 * @param {string} base
 * @param {Uint8Array[]} archive
 * @param {string} target
 */
function appendArchive(base, archive, target) {
  copyFileSync(base, target, constants.COPYFILE_FICLONE)
  appendFileSync(target, Buffer.concat(archive))
}
