import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import { describe, expect, it } from 'vitest'
import { eventfulRun } from '../fixtures/eventful-run'

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const packages = ['native', 'core', 'pci', 'vfio']
const eventful = `import { eventfulRun } from './eventful-run'
console.log(JSON.stringify((await eventfulRun()).machine.trace))`
/** All that an example does, on caches that write lines back as they please, with interrupts that are late now and then. */
const receiveRing = `import { createFakeMachine } from '../machine'
import { E1000Device } from '../models/e1000'
import { demonstrate } from '../../../../examples/rx-ring/src/demonstrate'
const machine = createFakeMachine({ coherence: 'write-back', seed: 7 })
const card = machine.addDevice(new E1000Device(), { address: '0000:00:09.0' })
machine.disturb(card, { interrupt: 'late', byMilliseconds: 5, probability: 0.5 })
await demonstrate(machine.kernel, '0000:00:09.0', (line) => machine.trace.note(line))
console.log(JSON.stringify(machine.trace))`

describe('a trace', () => {
  it('is the same, byte for byte, each time', async () => {
    const traces: string[] = []
    for (let run = 0; run < 2; run++) traces.push(JSON.stringify((await eventfulRun()).machine.trace))
    expect(traces[1]).toBe(traces[0])
    const kinds = new Set<string>(JSON.parse(traces[0]!).events.map(({ kind }: { kind: string }) => kind))
    expect([...kinds].sort()).toEqual([
      'dma',
      'fault',
      'interrupt',
      'map',
      'misuse',
      'note',
      'register',
      'sync',
      'unmap',
    ])
  })

  it.each([
    ['what all happens to edu', eventful],
    ['an example', receiveRing],
  ])('is the same in another process: %s', (_, program) => {
    const directory = mkdtempSync(join(tmpdir(), 'trace-'))
    try {
      const outfile = join(directory, 'run.mjs')
      buildSync({
        stdin: {
          contents: program,
          resolveDir: source('../fixtures'),
        },
        ...{ outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'error' },
        alias: Object.fromEntries(
          packages.map((name) => [`@linux-dma/${name}`, source(`../../../${name}/src/index.ts`)]),
        ),
      })
      const runs = [0, 1].map(() => spawnSync(process.execPath, [outfile], { encoding: 'utf8' }))
      expect(runs.map(({ status, stderr }) => [status, stderr])).toEqual([
        [0, ''],
        [0, ''],
      ])
      expect(runs[1]!.stdout).toBe(runs[0]!.stdout)
      expect(JSON.parse(runs[0]!.stdout).events.length).toBeGreaterThan(50)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
