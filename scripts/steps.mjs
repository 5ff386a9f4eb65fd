// What the repository's commands share: running a program, and setting up a fresh clone. No dependency: this has to
// work before anything is installed.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')

/** Runs a program to its end with its output shown. @returns its exit status; 1 where a signal ended it */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (error) console.error(`${command}: ${error.message}`)
  return status ?? 1
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
  console.log('Installing dependencies')
  const status = run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  if (status === 0) return
  console.error('npm ci failed: it needs the npm registry, or a cache that has been filled before')
  process.exit(status)
}

/** Builds the TypeScript of one workspace and of what it depends on, or of all. Cached: a second time costs a second. */
export function build(workspace) {
  const filter = workspace ? [`--filter=${workspace}...`] : []
  must(bin('turbo'), ['run', 'build', ...filter, '--output-logs=errors-only', '--no-update-notifier'], {
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', FORCE_COLOR: '0' },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

/** Compiles the native addon, where its sources changed. */
export function buildAddon() {
  must(bin('turbo'), ['run', 'build:addon', '--output-logs=errors-only', '--no-update-notifier'], {
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

/** A program that the dependencies brought. */
export function bin(name) {
  return path.join(root, 'node_modules', '.bin', name)
}
