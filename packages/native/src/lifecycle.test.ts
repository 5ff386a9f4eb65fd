import { describe, expect, it } from 'vitest'
import { bundleKernel, runScript } from '../test-support/child'

const bundle = bundleKernel()

/** A worker that holds every kind of thing the addon knows, signals itself without end, and says when it is ready. */
const busyWorker = (cargo: string) => `
  const holdEverything = (kernel) => {
    const pair = kernel.socketPair()
    const memory = kernel.memfd('held', { byteLength: 1 << 20 })
    const views = []
    for (let index = 0; index < 20; index++) views.push(kernel.mmap(memory, { byteLength: 4096 }).bytes)
    kernel.mmap(memory, { byteLength: 4096 })
    kernel.pin(kernel.mmap(memory, { byteLength: 65536 }), 4096, 8192)
    const window = kernel.mapRegisters(memory, { byteLength: 4096 })
    window.write64(0, 1, 2)
    const one = new Uint8Array(new BigUint64Array([1n]).buffer)
    for (let index = 0; index < 5; index++) {
      const fd = kernel.eventfd(1)
      kernel.watch(fd, 8, { onCount() { kernel.write(fd, one); views[0][0]++; window.read64(0) }, onError() {} })
    }
    kernel.poll(pair[0], 1)
    return [pair, views, window]
  }
  ${cargo}`

const workerSource = () => `
  import { workerData, parentPort } from 'node:worker_threads'
  import { linuxKernel } from '${bundle}'
  ${busyWorker('globalThis.held = holdEverything(linuxKernel())')}
  parentPort.postMessage('ready')
  setInterval(() => {}, 1000)`

/** In the script: starts such a worker, resolves when it is ready. */
const startWorker = () => `
  const source = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(workerSource())}))
  const start = async () => {
    const worker = new workers.Worker(source)
    await new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject) })
    return worker
  }
  const descriptors = () => fs.readdirSync('/proc/self/fd').length
  const maps = () => fs.readFileSync('/proc/self/maps', 'utf8').split('\\n').filter((line) => line.includes('memfd:held')).length`

describe('the end of a thread or of the process', () => {
  it('leaves nothing behind when workers are terminated in mid-flight, 50 times', () => {
    const { stdout, stderr, status, signal } = runScript(
      bundle,
      `import fs from 'node:fs'
      ${startWorker()}
      await (await start()).terminate()
      const before = descriptors()
      for (let cycle = 0; cycle < 50; cycle++) await (await start()).terminate()
      console.log(JSON.stringify({ grown: descriptors() - before, maps: maps(), live: kernel.live() }))`,
    )
    expect([stderr, status, signal]).toEqual(['', 0, null])
    expect(JSON.parse(stdout)).toEqual({
      grown: 0,
      maps: 0,
      live: { descriptors: 0, mappings: 0, mappedBytes: 0, watches: 0 },
    })
  }, 60_000)

  it('serves the main thread and eight workers at once, each with its own accounts', () => {
    const { stdout, stderr, status } = runScript(
      bundle,
      `import fs from 'node:fs'
      ${startWorker()}
      const all = await Promise.all(Array.from({ length: 8 }, start))
      const fd = kernel.eventfd(7)
      const count = await new Promise((resolve) => {
        const watch = kernel.watch(fd, 8, { onCount(count) { watch.close(); resolve(count) }, onError() {} })
      })
      const open = kernel.live().descriptors
      kernel.close(fd)
      await Promise.all(all.map((worker) => worker.terminate()))
      console.log(JSON.stringify({ count, open, maps: maps(), live: kernel.live().descriptors }))`,
    )
    expect([stderr, status]).toEqual(['', 0])
    expect(JSON.parse(stdout)).toEqual({ count: 7, open: 1, maps: 0, live: 0 })
  }, 60_000)

  it.each([
    ['process.exit with everything live', 'setTimeout(() => process.exit(7), 20)', 7],
    [
      'process.exit inside a listener',
      `const fd = kernel.eventfd(1)
      kernel.watch(fd, 8, { onCount() { process.exit(8) }, onError() {} })`,
      8,
    ],
    ['an uncaught exception', "setTimeout(() => { throw new Error('expected') }, 20)", 1],
    ['process.exit while workers run', 'await start(); await start(); process.exit(9)', 9],
  ])('ends with the exit code that was meant: %s', (_, end, code) => {
    const { status, signal, stderr } = runScript(
      bundle,
      `import fs from 'node:fs'
      ${startWorker()}
      ${busyWorker('globalThis.held = holdEverything(kernel)')}
      ${end}`,
    )
    expect([status, signal]).toEqual([code, null])
    expect(code === 1 ? stderr.includes('Error: expected') : stderr === '').toBe(true)
  })

  it('makes an uncaught exception of what a listener throws', () => {
    const { status, stdout } = runScript(
      bundle,
      `process.on('uncaughtException', (error) => { console.log(error.message); process.exitCode = 3; watch.close() })
      const fd = kernel.eventfd(1)
      const watch = kernel.watch(fd, 8, { onCount() { throw new Error('from the listener') }, onError() {} })`,
    )
    expect([status, stdout]).toEqual([3, 'from the listener\n'])
  })

  it('ends by itself when only unreferenced watches run, and not before when they are referenced', () => {
    const script = (change: string) => `
      const fd = kernel.eventfd()
      const watch = kernel.watch(fd, 8, { onCount() { console.log('told'); watch.close() }, onError() {} })
      ${change}
      setTimeout(() => kernel.write(fd, new Uint8Array(new BigUint64Array([1n]).buffer)), 50).unref()`
    expect(runScript(bundle, script('watch.unref()'))).toMatchObject({ status: 0, stdout: '' })
    expect(runScript(bundle, script('watch.unref(); watch.ref(); setTimeout(() => {}, 100)'))).toMatchObject({
      status: 0,
      stdout: 'told\n',
    })
  })

  it('leaves no process waiting for a poll after it was aborted', () => {
    const { status, stdout } = runScript(
      bundle,
      `const controller = new AbortController()
      const poll = kernel.poll(kernel.eventfd(), 1, { signal: controller.signal })
      controller.abort('gone')
      console.log(await poll.catch((reason) => reason))`,
    )
    expect([status, stdout]).toEqual([0, 'gone\n'])
  })

  it('is the same addon when it is loaded twice, and survives the collector', () => {
    const { status, stderr, stdout } = runScript(
      bundle,
      `const second = await import('${bundle}?second')
      const other = second.linuxKernel()
      assert.notEqual(other, kernel)
      const fd = other.memfd('both', { byteLength: 4096 })
      for (let round = 0; round < 200; round++) {
        const mapping = (round % 2 ? kernel : other).mmap(fd, { byteLength: 4096 })
        mapping.bytes[0] = round
        if (round % 3 === 0) mapping.close()
        const window = kernel.mapRegisters(fd, { byteLength: 4096 })
        window.read64(0)
        if (round % 20 === 0) { gc(); await turn() }
      }
      gc(); await turn(); gc(); await turn()
      kernel.close(fd)
      console.log(kernel.live().mappings < 20, kernel.live().descriptors)`,
      { nodeOptions: ['--expose-gc'] },
    )
    expect([stderr, status, stdout]).toEqual(['', 0, 'true 0\n'])
  })

  it('keeps shared memory in place when the process forks and writes', () => {
    const { status, stderr } = runScript(
      bundle,
      `import { spawnSync } from 'node:child_process'
      const fd = kernel.memfd('stays', { byteLength: 64 * 4096 })
      const mapping = kernel.mmap(fd, { byteLength: 64 * 4096 })
      mapping.bytes.fill(1)
      const frames = () => { const entries = new BigUint64Array(64); kernel.readPagemap(mapping.address, entries); return entries.map((entry) => entry & ((1n << 55n) - 1n)) }
      const before = frames()
      assert.equal(spawnSync('sh', ['-c', 'true']).status, 0)
      mapping.bytes.fill(2)
      assert.deepEqual(frames(), before)`,
    )
    expect([stderr, status]).toEqual(['', 0])
  })
})

describe('a file that shrinks under a mapping', () => {
  it('cannot: ftruncate is refused, from another process too', () => {
    const { status, stderr, stdout } = runScript(
      bundle,
      `import fs from 'node:fs'
      const fd = kernel.memfd('whole', { byteLength: 8192 })
      const mapping = kernel.mmap(fd, { byteLength: 8192 })
      try { fs.ftruncateSync(fd, 0) } catch (error) { console.log(error.code) }
      console.log(mapping.bytes[8191])`,
    )
    expect([stderr, status, stdout]).toEqual(['', 0, 'EPERM\n0\n'])
  })
})
