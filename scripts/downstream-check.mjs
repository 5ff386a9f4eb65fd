// npm run downstream:check: a project of somebody else's, examples/downstream, with the packages installed from their tarballs,
// under Vitest, node:test, Jest and Bun. Its tests pass; with a mistake put into its driver they fail, say why and where, and
// leave a report.
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { installRunners, runnersIn } from './downstream/runners.mjs'
import { pack, quietly } from './pack.mjs'
import { bin, build, ensureDependencies, must, root } from './steps.mjs'

/** Exit status where the runners cannot be had on this machine: sysexits' EX_UNAVAILABLE. */
const UNAVAILABLE = 69
const template = path.join(root, 'examples/downstream/mailbox-driver')

/** What a driver's author may forget, and what the tests have to say then. */
const mistakes = [
  {
    name: 'a device that is never closed',
    forgotten: '    this.#device.close()\n',
    says: [/DMA_LEAK/, /left open/, /mailbox\.js:\d+/],
  },
  {
    name: 'a mapping that is never ended',
    forgotten: '      mapping.unmap()\n',
    says: [/DMA_DEBUG/, /mailbox\.js:\d+/],
  },
]

ensureDependencies()
build('./packages/*')
const runners = await installRunners().catch((error) => {
  console.error(`the downstream project is left out: ${error.message}`)
  process.exit(UNAVAILABLE)
})

const scratch = realpathSync(mkdtempSync(path.join(tmpdir(), 'linux-dma-downstream-')))
const totals = { passed: 0, failed: 0 }
try {
  symlinkSync(path.join(runners, 'node_modules'), path.join(scratch, 'node_modules'), 'junction')
  const user = install(path.join(scratch, 'user'))
  checkSound(project(user, 'sound', (driver) => driver))
  for (const [index, mistake] of mistakes.entries()) checkMistake(user, `mistake-${index + 1}`, mistake)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
console.log(`${totals.passed} passed, ${totals.failed} failed`)
process.exit(totals.failed > 0 ? 1 : 0)

function install(folder) {
  mkdirSync(folder)
  writeFileSync(path.join(folder, 'package.json'), '{ "name": "user", "private": true }')
  must('npm', ['install', ...quietly, ...pack(scratch)], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return folder
}

/** The project, with its driver changed. Node.js finds what is installed in the folders above. */
function project(user, name, change) {
  const folder = path.join(user, name)
  cpSync(template, folder, { recursive: true })
  const driver = path.join(folder, 'src/mailbox.js')
  const source = readFileSync(driver, 'utf8')
  writeFileSync(driver, change(source))
  return folder
}

function checkSound(folder) {
  report(
    'its types',
    start([process.execPath, bin('tsc'), '-p', folder], folder),
    ({ status }) => status === 0,
  )
  for (const { name, command, passed } of runnersIn(runners)) {
    report(`its tests under ${name}`, start(command, folder), ({ status, output }) => {
      return (
        status === 0 && passed.exec(output)?.[1] === '3' && !existsSync(path.join(folder, 'testkit-reports'))
      )
    })
  }
}

function checkMistake(user, name, mistake) {
  const folder = project(user, name, (driver) => {
    if (!driver.includes(mistake.forgotten)) throw new Error(`the driver has no line ${mistake.forgotten}`)
    return driver.replace(mistake.forgotten, '')
  })
  for (const runner of runnersIn(runners)) {
    const reports = path.join(folder, 'testkit-reports')
    rmSync(reports, { recursive: true, force: true })
    report(
      `${mistake.name}, found under ${runner.name}`,
      start(runner.command, folder),
      ({ status, output }) => {
        const page = new RegExp(`see (${escaped(reports)}.*\\.html)`).exec(output)?.[1]
        const shown = [output, page && existsSync(page) ? readFileSync(page, 'utf8') : '']
        return status !== 0 && mistake.says.every((words) => shown.every((text) => words.test(text)))
      },
    )
  }
}

function start([command, ...args], cwd) {
  const env = { ...process.env, NO_COLOR: '1', CI: '1' }
  // What this program's own runner told it is not for those that it starts.
  for (const name of Object.keys(env))
    if (/^(VITEST|NODE_TEST|NODE_OPTIONS|FORCE_COLOR|JEST)/.test(name)) delete env[name]
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env,
    encoding: 'utf8',
    timeout: 120_000,
  })
  return { status: error ? 1 : status, output: `${stdout}${stderr}${error ? `\n${error.message}` : ''}` }
}

function report(title, result, isRight) {
  const right = isRight(result)
  totals[right ? 'passed' : 'failed'] += 1
  console.log(`${right ? 'ok' : 'FAILED'}: ${title}`)
  if (!right) console.log(result.output)
}

function escaped(text) {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
