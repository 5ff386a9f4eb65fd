import { describe, expect, it } from 'vitest'
import { bundleKernel, runScript } from '../test-support/child'

const bundle = bundleKernel()

interface Growth {
  /** What is there more after the last block than before the first. */
  descriptors: number
  maps: number
  /** Bytes outside the engine's heap, and living in it, in the block that added the least of them. */
  nativeBytes: number
  heapBytes: number
  live: unknown
}

/**
 * Runs a cycle in blocks of one tight loop each (or turning the event loop every `turnEvery` cycles), and lets the
 * collector finish after each. Allocators and the engine's heap grow to what such a block needs and then stop; a
 * leak grows in each block.
 */
function growthOf(cycle: string, { blocks = 4, cycles = 25_000, turnEvery = 0 } = {}): Growth {
  const { stdout, stderr, status } = runScript(
    bundle,
    `import fs from 'node:fs'
    const memory = kernel.memfd('memory', { byteLength: 65536 })
    const counter = kernel.eventfd()
    const one = new Uint8Array(new BigUint64Array([1n]).buffer)
    const bytes = new Uint8Array(8)
    const path = '/tmp/linux-dma-leaks-' + process.pid
    const name = '\\0' + path
    const cycle = () => { ${cycle} }
    const block = async () => {
      for (let index = 1; index <= ${cycles}; index++) {
        cycle()
        if (${turnEvery} !== 0 && index % ${turnEvery} === 0) await turn()
      }
      for (let round = 0; round < 5; round++) { gc(); await turn() }
    }
    const memoryUse = () => {
      const { rss, heapTotal, heapUsed } = process.memoryUsage()
      return { nativeBytes: rss - heapTotal, heapBytes: heapUsed }
    }
    const opened = () => ({
      descriptors: fs.readdirSync('/proc/self/fd').length,
      // Only what the addon maps: the engine's own maps come and go.
      maps: fs.readFileSync('/proc/self/maps', 'utf8').split('\\n').filter((line) => line.includes('memfd')).length,
    })
    await block()
    const before = opened()
    const least = { nativeBytes: Infinity, heapBytes: Infinity }
    for (let index = 0; index < ${blocks}; index++) {
      const start = memoryUse()
      await block()
      const end = memoryUse()
      for (const key in least) least[key] = Math.min(least[key], end[key] - start[key])
    }
    const after = opened()
    kernel.close(memory)
    kernel.close(counter)
    console.log(JSON.stringify({
      descriptors: after.descriptors - before.descriptors,
      maps: after.maps - before.maps,
      ...least,
      live: kernel.live(),
    }))`,
    { nodeOptions: ['--expose-gc'] },
  )
  expect([stderr, status]).toEqual(['', 0])
  return JSON.parse(stdout) as Growth
}

/** 60 bytes a cycle: less than the smallest thing that could be forgotten, the record of a mapping. */
const TOLERANCE = 1_500_000
const NOTHING = { descriptors: 0, mappings: 0, mappedBytes: 0, watches: 0 }

function expectNothing(growth: Growth, tolerance = TOLERANCE): void {
  expect(growth).toMatchObject({ descriptors: 0, maps: 0, live: NOTHING })
  expect(growth.nativeBytes).toBeLessThan(tolerance)
  expect(growth.heapBytes).toBeLessThan(tolerance)
}

describe('100,000 cycles leave nothing behind', () => {
  it.each([
    [
      'a mapping with a view',
      'const m = kernel.mmap(memory, { byteLength: 4096 }); m.bytes[0] = 1; m.close()',
    ],
    [
      'a mapping of several pages',
      'const m = kernel.mmap(memory, { byteLength: 16384 }); m.bytes[9000] = 1; m.close()',
    ],
    [
      'a mapping that is detached',
      'const m = kernel.mmap(memory, { byteLength: 4096 }); m.bytes[0] = 1; m.close({ detach: true })',
    ],
    [
      'a register window',
      'const w = kernel.mapRegisters(memory, { byteLength: 4096 }); w.bind(0, 32).read(); w.close()',
    ],
    [
      'a register window with native access',
      'const w = kernel.mapRegisters(memory, { byteLength: 4096 }); w.read64(0); w.close()',
    ],
    ['an eventfd', 'const fd = kernel.eventfd(1); kernel.read(fd, bytes); kernel.close(fd)'],
    ['a memfd', "kernel.close(kernel.memfd('short', { byteLength: 4096 }))"],
    ['a pin', 'const m = kernel.mmap(memory, { byteLength: 4096 }); kernel.pin(m).close(); m.close()'],
    [
      'sockets',
      `const [left, right] = kernel.socketPair()
      kernel.sendMessage(left, one, [left])
      for (const fd of [...kernel.receiveMessage(right, bytes).descriptors, left, right]) kernel.close(fd)`,
    ],
    [
      'sockets with a name',
      `const listener = kernel.listen(name)
      const near = kernel.connect(name)
      const far = kernel.accept(listener)
      kernel.sendMessage(near, one, [near])
      for (const fd of [...kernel.receiveMessage(far, bytes).descriptors, near, far, listener]) kernel.close(fd)`,
    ],
    [
      'sockets with a file',
      'const fd = kernel.listen(path); kernel.close(kernel.connect(path)); kernel.close(fd); kernel.unlink(path)',
    ],
    [
      'descriptors of others',
      `const fd = kernel.pidfdOpen(process.pid)
      for (const own of [fd, kernel.pidfdGetfd(fd, memory), kernel.duplicate(memory)]) kernel.close(own)`,
    ],
    [
      'failed calls',
      `codeOf(() => kernel.open('/nowhere', 0))
      codeOf(() => kernel.mmap(memory, { byteLength: 1 << 30 }))`,
    ],
    ['connections that fail', 'codeOf(() => kernel.connect(name))'],
  ])('of %s', (_, cycle) => expectNothing(growthOf(cycle)), 60_000)

  it.each([
    ['a watch', 'kernel.watch(counter, 8, { onCount() {}, onError() {} }).close()'],
    [
      'a poll that is aborted',
      'const controller = new AbortController(); kernel.poll(counter, 1, { signal: controller.signal }).catch(() => {}); controller.abort()',
    ],
  ])(
    'of %s, the event loop turning now and then',
    (_, cycle) => expectNothing(growthOf(cycle, { turnEvery: 100 })),
    60_000,
  )

  it('of a mapping, ten times as many in one loop, where no view was made', () => {
    const growth = growthOf('kernel.mmap(memory, { byteLength: 4096 }).close()', {
      blocks: 1,
      cycles: 1_000_000,
    })
    // Four bytes a cycle: the pages that the allocators move to and fro, and no object at all.
    expectNothing(growth, 4_000_000)
  }, 120_000)
})

describe('parked pages', () => {
  it('merge: their number does not use up the process’s maps', () => {
    const { stdout, stderr, status } = runScript(
      bundle,
      `import fs from 'node:fs'
      const maps = () => fs.readFileSync('/proc/self/maps', 'utf8').split('\\n').length
      const memory = kernel.memfd('memory', { byteLength: 4096 })
      const before = maps()
      const views = []
      // More than vm.max_map_count, all of them alive, all of them closed.
      for (let index = 0; index < 80_000; index++) {
        const mapping = kernel.mmap(memory, { byteLength: 4096 })
        views.push(mapping.bytes)
        mapping.close()
      }
      assert.ok(views.every((bytes) => bytes[0] === 0))
      console.log(maps() - before)`,
    )
    expect([stderr, status]).toEqual(['', 0])
    expect(Number(stdout)).toBeLessThan(1000)
  }, 60_000)
})
