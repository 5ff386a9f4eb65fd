// npm run test:elsewhere: the tests that need no Linux, as on macOS and on Windows, where the addon is not there.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { bin, ensureDependencies, root, run } from './steps.mjs'

/** All but native's, which need a real kernel. */
const tests = [
  ...['core', 'pci', 'sg', 'testkit', 'udmabuf', 'uio', 'vfio'].map((name) => `packages/${name}/src/`),
  'conformance/src/fake.test.ts',
]
const systems = [
  { platform: 'darwin', arch: 'arm64' },
  { platform: 'win32', arch: 'x64' },
]

ensureDependencies()
const scratch = mkdtempSync(path.join(tmpdir(), 'linux-dma-elsewhere-'))
const totals = { passed: 0, failed: 0, skipped: 0 }
try {
  for (const system of systems) runOn(system)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''
console.log(`${totals.passed} passed, ${totals.failed} failed${skipped}`)
process.exit(totals.failed > 0 ? 1 : 0)

function runOn({ platform, arch }) {
  const name = `${platform} ${arch}`
  const [report, calls] = ['report.json', 'calls'].map((file) => path.join(scratch, `${platform}-${file}`))
  writeFileSync(calls, '')
  const words = ['run', '--config', 'scripts/elsewhere/vitest.config.ts', '--reporter=json']
  const status = run(bin('vitest'), [...words, `--outputFile.json=${report}`, ...tests], {
    env: { ...process.env, ELSEWHERE_PLATFORM: platform, ELSEWHERE_ARCH: arch, ELSEWHERE_CALLS: calls },
  })
  const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(
    readFileSync(report, 'utf8'),
  )
  const loaded = readFileSync(calls, 'utf8').split('\n').filter(Boolean)
  const failed = Math.max(numFailedTests, loaded.length, status === 0 ? 0 : 1)
  console.log(
    `${name}: ${numPassedTests} passed, ${failed} failed; compiled code was asked for ${loaded.length} times`,
  )
  for (const file of new Set(loaded)) console.log(`  ${file}`)
  for (const { name: file, message, assertionResults } of testResults)
    printFailures(file, message, assertionResults)
  totals.passed += numPassedTests
  totals.failed += failed
  totals.skipped += numPendingTests
}

/** What went wrong in a file: by itself, or in its tests. */
function printFailures(file, message, tests) {
  const name = path.relative(root, file)
  if (message) console.log(`\n${name}: ${message}`)
  for (const { status, fullName, failureMessages } of tests) {
    if (status === 'failed') console.log(`\n${name} > ${fullName}\n${failureMessages.join('\n')}`)
  }
}
