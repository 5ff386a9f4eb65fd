import { describe, expect, it } from 'vitest'
import { bundleKernel, runScript } from '../test-support/child'

const bundle = bundleKernel()

/**
 * A script whose other thread maps the same memory and runs `worker` on its words; `words` and `window` are the main
 * thread's. Mapped memory is no SharedArrayBuffer: no language rule makes the engine load or store it each time, so
 * these tests are what says that it does.
 */
const withWorker = (worker: string, main: string) => `
  const fd = kernel.memfd('shared', { byteLength: 4096 })
  const window = kernel.mapRegisters(fd, { byteLength: 4096 })
  const words = new Uint32Array(kernel.mmap(fd, { byteLength: 4096 }).bytes.buffer)
  const source = ${JSON.stringify(worker)}
  const thread = new workers.Worker(new URL('data:text/javascript,' + encodeURIComponent(
    "import { linuxKernel } from '${bundle}'; import { parentPort, workerData } from 'node:worker_threads';"
    + "const words = new Uint32Array(linuxKernel().mmap(workerData, { byteLength: 4096 }).bytes.buffer);"
    + "const deadline = performance.now() + 10_000;"
    + source)), { workerData: fd })
  await new Promise((resolve) => thread.once('message', resolve))
  const deadline = performance.now() + 10_000
  const late = (count) => (count & 0xffff) === 0 && performance.now() > deadline
  ${main}
  await thread.terminate()`

function run(worker: string, main: string): string {
  const { stderr, status, stdout } = runScript(bundle, withWorker(worker, main))
  expect([stderr, status]).toEqual(['', 0])
  return stdout.trim()
}

describe('loops over mapped memory, compiled', () => {
  it.each([
    ['a typed array', 'words[8]'],
    ['a register window', 'window.read32(32)'],
    ['a bound register', 'bound.read()'],
    ['native access', 'Number(window.read64(32))'],
  ])('see what another thread writes: %s', (_, read) => {
    // Long enough for the loop to be compiled before the write comes.
    const worker =
      "parentPort.postMessage('ready'); setTimeout(() => { words[8] = 5 }, 150); setInterval(() => {}, 1000)"
    const main = `const bound = window.bind(32, 32)
      function wait() {
        let spins = 0
        while (${read} === 0) if (late(++spins)) return 'missed'
        return spins > 1000 ? 'seen' : 'too early'
      }
      console.log(wait())`
    expect(run(worker, main)).toBe('seen')
  })

  it.each([
    ['a typed array', 'words[8] ='],
    ['a register window', 'window.write32(32,'],
    ['a bound register', 'bound.write('],
  ])('keep each of several stores to one place: %s', (_, write) => {
    const end = write.endsWith('=') ? '' : ')'
    // The other thread sees each of the values sooner or later; those of stores that were merged it would never see.
    const worker = `parentPort.postMessage('ready')
      const seen = new Set()
      while (seen.size < 4 && performance.now() < deadline) {
        for (let index = 0; index < 1000; index++) if (words[8] !== 0) seen.add(words[8])
      }
      words[0] = seen.size`
    const main = `const bound = window.bind(32, 32)
      function store() { ${[1, 2, 3, 4].map((value) => `${write} ${value}${end}`).join('; ')} }
      let count = 0
      while (words[0] === 0) { store(); if (late(++count)) break }
      console.log(words[0])`
    expect(run(worker, main)).toBe('4')
  })

  it.each([
    ['a typed array', 'words[8]'],
    ['a register window', 'window.read32(32)'],
    ['a bound register', 'bound.read()'],
  ])('keep each of several loads of one place: %s', (_, read) => {
    const worker = `parentPort.postMessage('ready')
      for (let count = 0; words[0] === 0; count++) words[8] = count`
    const main = `const bound = window.bind(32, 32)
      function differ() { const first = ${read}; const second = ${read}; return first !== second }
      let different = 0
      for (let count = 1; different < 3 && !late(count); count++) if (differ()) different++
      words[0] = 1
      console.log(different)`
    expect(run(worker, main)).toBe('3')
  })
})
