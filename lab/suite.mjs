import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { defaultKind, findKind, machineKinds } from './machine-kinds.mjs'
import { e1000Address, eduAddress, secondEduAddress } from './qemu.mjs'
import { makeScratchDirectory } from './scratch.mjs'
import { findProgram } from './workspace.mjs'

/**
 * @typedef {object} Program one program that runs twice: on the fake, here, and on the real kernel, in the guest
 * @property {string} id a word
 * @property {string} title
 * @property {'conformance' | 'example' | 'fuzz'} kind
 * @property {string} directory here
 * @property {string[]} fake node's arguments here
 * @property {import('./plan.mjs').Job} real
 * @property {import('./machine-kinds.mjs').MachineKind} machine which it needs
 */

/** The machines that the fuzzer has families of operations for. */
export const fuzzedMachines = ['iommu', 'no-iommu', 'dma-buf']
/** Operations that are enough where both sides are fakes: they differ only where one depends on chance. */
const fakeOperations = 400

/**
 * Lists what there is to run: the conformance suites for each kind of machine, each example, and the fuzzer.
 * @param {import('./workspace.mjs').Workspace[]} workspaces
 * @param {{ fuzzSeed?: number, fuzzOperations?: number }} [options]
 * @returns {Program[]}
 */
export function listPrograms(workspaces, { fuzzSeed = 1, fuzzOperations = 0 } = {}) {
  const suites = workspaces.filter(({ path }) => path === 'conformance')
  const examples = workspaces.filter(({ path }) => path.startsWith('examples/'))
  // The fuzzer comes last: what it may do to a kernel is nobody else's trouble then.
  const fuzzers =
    fuzzOperations === 0 ? [] : suites.flatMap((workspace) => fuzzer(workspace, fuzzSeed, fuzzOperations))
  return [...suites.flatMap(conformance), ...examples.flatMap(example), ...fuzzers]
}

/** @param {import('./workspace.mjs').Workspace} workspace @returns {Program[]} */
function conformance({ path, directory }) {
  const fake = findProgram(directory, ['fake'])
  const real = findProgram(directory, ['real'])
  if (!fake || !real) return []
  return machineKinds.map((machine) => {
    const id = `conformance-${machine.name}`
    const job = { id, directory: `/app/${path}`, command: nodeCommand(real, machine.name) }
    const title = `conformance, ${machine.name}`
    return { id, title, kind: 'conformance', directory, fake: [fake, machine.name], real: job, machine }
  })
}

/**
 * @param {import('./workspace.mjs').Workspace} workspace
 * @param {number} seed
 * @param {number} operations of each family, on the real kernel
 * @returns {Program[]}
 */
function fuzzer({ path, directory }, seed, operations) {
  const program = findProgram(directory, ['fuzz'])
  if (!program) return []
  return fuzzedMachines.map((name) => {
    const id = `fuzz-${name}`
    const words = [name, '--seed', String(seed)]
    const job = {
      id,
      directory: `/app/${path}`,
      command: nodeCommand(program, ...words, '--operations', String(operations)),
    }
    const fake = [program, ...words, '--fake', '--operations', String(fakeOperations)]
    return { id, title: `fuzz, ${name}`, kind: 'fuzz', directory, fake, real: job, machine: findKind(name) }
  })
}

/**
 * How an example finds its device on the real machine, and which machine that is, if not the edu device through VFIO.
 * @type {Map<string, { words: string[], machine?: string }>}
 */
const examplesApart = new Map([
  ['examples/framebuffer', { words: ['--real'] }],
  ['examples/rx-ring', { words: ['--vfio', e1000Address] }],
  [
    'examples/share-between-devices',
    { words: ['--vfio', eduAddress, '--vfio', secondEduAddress], machine: 'dma-buf' },
  ],
  ['examples/uio-edu', { words: ['--uio', eduAddress], machine: 'pass-through' }],
])

/** @param {import('./workspace.mjs').Workspace} workspace @returns {Program[]} */
function example({ path, directory }) {
  const program = findProgram(directory, ['main', 'index'])
  if (!program) return []
  const id = path.replaceAll(/[^A-Za-z0-9]+/g, '-')
  const { words, machine: name = defaultKind.name } = examplesApart.get(path) ?? {
    words: ['--vfio', eduAddress],
  }
  const job = { id, directory: `/app/${path}`, command: nodeCommand(program, ...words) }
  const machine = findKind(name)
  return [{ id, title: path, kind: 'example', directory, fake: [program], real: job, machine }]
}

/**
 * The command that runs a script in the guest.
 * @param {...string} words
 * @returns {string[]}
 */
export function nodeCommand(...words) {
  return ['/bin/node', '--enable-source-maps', ...words]
}

/**
 * Runs a program on the fake kernel, on this machine. What it writes among the temporary files goes when it ends.
 * @param {Program} program
 * @param {number} timeoutSeconds 0: no limit
 * @returns {Promise<import('./recorder.mjs').JobOutcome>} the status is undefined if it was ended by a signal
 */
export function runOnFake({ directory, fake }, timeoutSeconds) {
  const scratch = makeScratchDirectory(tmpdir(), 'linux-dma-lab-fake-')
  const child = spawn(process.execPath, ['--enable-source-maps', ...fake], {
    cwd: directory,
    env: { ...process.env, TMPDIR: scratch.path },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutSeconds * 1000,
    killSignal: 'SIGKILL',
  })
  const kill = () => child.kill('SIGKILL')
  process.on('exit', kill)
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    output += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    errors += chunk
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      process.off('exit', kill)
      scratch.remove()
      resolve({ status: code ?? undefined, output, errors })
    })
  })
}
