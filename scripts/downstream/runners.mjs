// The test runners of the project in examples/downstream, which come from the registry: once, into the user's cache.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { cacheDirectory, cached, prune } from '../../lab/cache.mjs'
import { quietly } from '../pack.mjs'
import { root } from '../steps.mjs'

const lock = path.join(root, 'scripts/downstream/package-lock.json')

/** Of what Jest resolves files with, the newest version of which there is a binary for every platform. */
const overrides = { 'unrs-resolver': '1.12.2' }

/** The `package.json` that the lock file is of: what the project develops with, apart from what is packed here. */
export function runnersPackage() {
  const file = path.join(root, 'examples/downstream/mailbox-driver/package.json')
  const { devDependencies } = JSON.parse(readFileSync(file, 'utf8'))
  const names = Object.keys(devDependencies).filter((name) => !name.startsWith('@linux-dma/'))
  const wanted = Object.fromEntries(names.map((name) => [name, devDependencies[name]]))
  const manifest = { name: 'downstream-runners', private: true, devDependencies: wanted, overrides }
  return `${JSON.stringify(manifest, undefined, 2)}\n`
}

/** @returns {Promise<string>} a folder with the runners in `node_modules` @throws where they cannot be had */
export async function installRunners() {
  const manifest = runnersPackage()
  const key = createHash('sha256').update(manifest).update(readFileSync(lock))
  const folder = path.join(path.dirname(cacheDirectory()), 'downstream')
  mkdirSync(folder, { recursive: true })
  const name = `${process.platform}-${process.arch}-${key.digest('hex').slice(0, 16)}`
  const entry = await cached(path.join(folder, name), (scratch) => fill(scratch, manifest))
  prune(folder, 2)
  return entry
}

function fill(scratch, manifest) {
  console.error("Installing the test runners of the downstream project into this user's cache (once)")
  const folder = path.join(scratch, 'fresh')
  mkdirSync(folder)
  writeFileSync(path.join(folder, 'package.json'), manifest)
  copyFileSync(lock, path.join(folder, 'package-lock.json'))
  const { status } = spawnSync('npm', ['ci', ...quietly], { cwd: folder, stdio: ['ignore', 2, 'inherit'] })
  if (status !== 0)
    throw new Error('npm ci failed: it needs the npm registry, or a cache that has been filled before')
  renameSync(folder, path.join(scratch, 'entry'))
}

/** How each runner is started in the project's folder, and how it says how many tests passed. */
export function runnersIn(folder) {
  const modules = path.join(folder, 'node_modules')
  const script = (name) => [process.execPath, path.join(modules, name)]
  return [
    { name: 'Vitest', command: [...script('vitest/vitest.mjs'), 'run'], passed: /Tests\s+(\d+) passed/ },
    {
      name: 'node:test',
      command: [process.execPath, '--test', 'test/mailbox.node.js'],
      passed: /^\S+ pass (\d+)$/m,
    },
    { name: 'Jest', command: [...script('jest/bin/jest.js')], passed: /^Tests:\s+(\d+) passed/m },
    {
      name: 'Bun',
      command: [bunProgram(modules), 'test', './test/mailbox.bun.js'],
      passed: /^\s*(\d+) pass$/m,
    },
  ]
}

/** npm's package of Bun has a package for each platform beside it, which is the program; its install script would put a link to that. */
function bunProgram(modules) {
  const programs = readdirSync(path.join(modules, '@oven'))
    .flatMap((name) => ['bun', 'bun.exe'].map((file) => path.join(modules, '@oven', name, 'bin', file)))
    .filter(existsSync)
  if (programs[0]) return programs[0]
  throw new Error(`there is no Bun for ${process.platform} ${process.arch}`)
}
