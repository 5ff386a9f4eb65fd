// npm test: sets up, builds, checks and tests all that needs no emulator, and then the lab, where its parts can be had.
//   --require-lab   fail where they cannot, or where there is no browser to open a report in
//   --no-lab        leave the lab out
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { bin, build, buildAddon, ensureDependencies, root } from './steps.mjs'

/** Exit status of the lab where emulator or kernel cannot be had on this machine: sysexits' EX_UNAVAILABLE. */
const UNAVAILABLE = 69

const options = readOptions()

ensureDependencies()
build()
buildAddon()

const scratch = mkdtempSync(path.join(tmpdir(), 'linux-dma-test-'))
const unitReport = path.join(scratch, 'unit.json')
const totals = { passed: 0, failed: 0, skipped: 0 }
const failures = []

await step('Formatting and lint', bin('biome'), ['check', '.'])
await step('Types', bin('turbo'), ['run', 'typecheck', '--output-logs=errors-only', '--no-update-notifier'])
await step('Unused code', bin('knip'), [])
await step(
  'Unit and conformance tests',
  bin('vitest'),
  ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${unitReport}`],
  countUnitTests,
)
await step('macOS and Windows', process.execPath, ['scripts/elsewhere.mjs'], countLines)
await step('Packed packages', process.execPath, ['scripts/pack-check.mjs'])
await step('A project that uses the packages', process.execPath, ['scripts/downstream-check.mjs'], countLines)
if (options['no-lab']) console.log('\nLab: left out, as --no-lab asks')
else await step('Lab: a real kernel', process.execPath, ['scripts/lab.mjs'], countLines)
rmSync(scratch, { recursive: true, force: true })

console.log('')
for (const failure of failures) console.log(`failed: ${failure}`)
const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''
console.log(`${totals.passed} passed, ${totals.failed} failed${skipped}`)
process.exit(failures.length > 0 || totals.failed > 0 ? 1 : 0)

function readOptions() {
  try {
    return parseArgs({ options: { 'require-lab': { type: 'boolean' }, 'no-lab': { type: 'boolean' } } })
      .values
  } catch (error) {
    console.error(`${error.message}\nnpm test -- [--require-lab | --no-lab]`)
    process.exit(2)
  }
}

/** Runs one step and adds what it counts: its tests, or 1 for the step itself. */
async function step(title, command, args, count = () => undefined) {
  console.log(`\n== ${title}`)
  const { status, output } = await tee(command, args)
  if (status === UNAVAILABLE && !options['require-lab']) {
    totals.skipped += 1
    return
  }
  const counted = count(output)
  if (counted) {
    totals.passed += counted.passed
    totals.failed += counted.failed
    totals.skipped += counted.skipped
  }
  if (status === 0) {
    if (!counted) totals.passed += 1
    return
  }
  failures.push(title)
  if (!counted || counted.failed === 0) totals.failed += 1
}

function tee(command, args) {
  return new Promise((resolve) => {
    const browser = options['require-lab'] ? { LINUX_DMA_REQUIRE_BROWSER: '1' } : {}
    const env = { ...process.env, ...browser, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' }
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], env })
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
      process.stdout.write(chunk)
    })
    child.on('error', (error) => {
      console.error(`${command}: ${error.message}`)
      resolve({ status: 1, output })
    })
    child.on('close', (status) => resolve({ status: status ?? 1, output }))
  })
}

function countUnitTests() {
  const report = JSON.parse(readFileSync(unitReport, 'utf8'))
  return { passed: report.numPassedTests, failed: report.numFailedTests, skipped: report.numPendingTests }
}

/** The last line of a step that counts by itself: N passed, N failed[, N skipped]. */
function countLines(output) {
  const match = [...output.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)].pop()
  return match && { passed: Number(match[1]), failed: Number(match[2]), skipped: Number(match[3] ?? 0) }
}
