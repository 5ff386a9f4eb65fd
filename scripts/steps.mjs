// What the repository's commands share: running a program, and setting up a fresh clone. No dependency: this has to
// work before anything is installed.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { signalOf } from '../lab/signals.mjs'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')

/** Runs a program to its end with its output shown. @returns its exit status; 128 and the signal's number where one ended it */
export function run(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (error) console.error(`${command}: ${error.message}`)
  if (!signal) return status ?? 1
  const number = 128 + constants.signals[signal]
  const hint = signalOf(number)?.hint
  console.error(`${path.basename(command)} was ended by ${signal}${hint ? `\nnext: ${hint}` : ''}`)
  return number
}

/** As `run`, and ends this program where that fails. */
export function must(command, args, options) {
  const status = run(command, args, options)
  if (status !== 0) process.exit(status)
}

/** Installs what the lock file names, where that has not been done since it last changed. */
export function ensureDependencies() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`Node.js 20.19 or newer is needed; this is ${process.version}. See https://nodejs.org`)
    process.exit(1)
  }
  const installed = path.join(root, 'node_modules', '.package-lock.json')
  const wanted = path.join(root, 'package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(wanted).mtimeMs) return
  console.error('Installing dependencies')
  const status = run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  if (status === 0) return
  console.error('npm ci failed: it needs the npm registry, or a cache that has been filled before')
  process.exit(status)
}

/** Builds the TypeScript of one workspace and of what it depends on, or of all. Cached: a second time costs a second. */
export function build(workspace) {
  const describe = (count) => `Building ${count} of the packages (once; a minute or two on a busy machine)`
  turbo('build', workspace ? [`--filter=${workspace}...`] : [], describe)
}

/** Compiles the native addon, where its sources changed. */
export function buildAddon() {
  turbo('build:addon', [], () => 'Compiling the native addon')
}

/** Runs a task of workspaces where that has not been done, and says so beforehand: it may take minutes. */
function turbo(task, filter, describe) {
  const words = ['run', task, ...filter, '--no-update-notifier']
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', FORCE_COLOR: '0' }
  const plan = spawnSync(bin('turbo'), [...words, '--dry=json'], { cwd: root, env, encoding: 'utf8' })
  // Where no plan can be made, the run below says why.
  const count = plan.status === 0 ? countMissing(JSON.parse(plan.stdout)) : 0
  if (count > 0) console.error(describe(count))
  // What went wrong is no output of the command that is being run.
  must(bin('turbo'), [...words, '--output-logs=errors-only'], { env, stdio: ['ignore', 2, 'inherit'] })
}

function countMissing({ tasks }) {
  return tasks.filter(({ command, cache }) => command !== '<NONEXISTENT>' && cache.status === 'MISS').length
}

/** A program that the dependencies brought. */
export function bin(name) {
  return path.join(root, 'node_modules', '.bin', name)
}
