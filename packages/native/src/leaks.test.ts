import { describe, expect, it } from 'vitest'
import { bundleKernel, runScript } from '../test-support/child'

const bundle = bundleKernel()

interface Growth {
  descriptors: number
  maps: number
  residentBytes: number
  live: unknown
}

/** Runs a cycle 100,000 times in one tight loop, then lets the collector finish; what is there more than before. */
function growthOf(cycle: string, cycles = 100_000): Growth {
  const { stdout, stderr, status } = runScript(
    bundle,
    `import fs from 'node:fs'
    const memory = kernel.memfd('memory', { byteLength: 65536 })
    const one = new Uint8Array(new BigUint64Array([1n]).buffer)
    const bytes = new Uint8Array(8)
    const listener = { onCount() {}, onError() {} }
    const cycle = (index) => { ${cycle} }
    const settle = async () => { for (let round = 0; round < 5; round++) { gc(); await turn() } }
    const measure = () => ({
      descriptors: fs.readdirSync('/proc/self/fd').length,
      // Only what is mapped by the addon: the engine's own heap comes and goes.
      maps: fs.readFileSync('/proc/self/maps', 'utf8').split('\\n').filter((line) => line.includes('memfd')).length,
      residentBytes: process.memoryUsage.rss(),
    })
    // The first time, allocators grow to what such a loop needs; the second must need no more.
    for (let index = 0; index < 100_000; index++) cycle(index)
    await settle()
    const before = measure()
    for (let index = 0; index < ${cycles}; index++) cycle(index)
    await settle()
    const after = measure()
    const growth = Object.fromEntries(Object.keys(before).map((key) => [key, after[key] - before[key]]))
    kernel.close(memory)
    console.log(JSON.stringify({ ...growth, live: kernel.live() }))`,
    { nodeOptions: ['--expose-gc'] },
  )
  expect([stderr, status]).toEqual(['', 0])
  return JSON.parse(stdout) as Growth
}

const MEGABYTE = 2 ** 20
const NOTHING = { descriptors: 0, mappings: 0, mappedBytes: 0, watches: 0 }

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
    ['an eventfd', 'const fd = kernel.eventfd(1); kernel.read(fd, bytes); kernel.close(fd)'],
    ['a memfd', "kernel.close(kernel.memfd('short', { byteLength: 4096 }))"],
    [
      'sockets',
      'const [left, right] = kernel.socketPair(); kernel.sendMessage(left, one, [left]); kernel.close(kernel.receiveMessage(right, bytes).descriptors[0]); kernel.close(left); kernel.close(right)',
    ],
    [
      'failed calls',
      "codeOf(() => kernel.open('/nowhere', 0)); codeOf(() => kernel.mmap(memory, { byteLength: 1 << 30 }))",
    ],
  ])(
    'of %s',
    (_, cycle) => {
      const growth = growthOf(cycle)
      expect(growth).toMatchObject({ descriptors: 0, maps: 0, live: NOTHING })
      expect(growth.residentBytes).toBeLessThan(8 * MEGABYTE)
    },
    60_000,
  )

  it('of a watch, the event loop turning now and then', () => {
    const { stdout, stderr, status } = runScript(
      bundle,
      `const fd = kernel.eventfd()
      const run = async (cycles) => {
        for (let index = 0; index < cycles; index++) {
          kernel.watch(fd, 8, { onCount() {}, onError() {} }).close()
          if (index % 100 === 0) await turn()
        }
        for (let round = 0; round < 5; round++) { gc(); await turn() }
      }
      await run(100_000)
      const before = process.memoryUsage.rss()
      await run(100_000)
      console.log(JSON.stringify({ grown: process.memoryUsage.rss() - before, live: kernel.live() }))`,
      { nodeOptions: ['--expose-gc'] },
    )
    expect([stderr, status]).toEqual(['', 0])
    const { grown, live } = JSON.parse(stdout)
    expect(live).toEqual({ ...NOTHING, descriptors: 1 })
    expect(grown).toBeLessThan(8 * MEGABYTE)
  }, 60_000)

  it('of a million mappings in one tight loop, where no view was made', () => {
    expect(growthOf('kernel.mmap(memory, { byteLength: 4096 }).close()', 1_000_000).live).toEqual(NOTHING)
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
