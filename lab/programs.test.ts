import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { buildPrograms } from './programs.mjs'

let cache = ''
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'lab-programs-'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(cache, { recursive: true })
})

const skipped = process.platform !== 'linux' && 'the programs are for Linux'

describe('buildPrograms', () => {
  it.skipIf(skipped)(
    `compiles each source once${skipped ? ` (skipped: ${skipped})` : ''}`,
    async () => {
      const say = vi.fn()
      const programs = await buildPrograms(cache, { say })
      expect(programs.map(({ path, executable }) => [path, executable])).toEqual([
        ['/bin/dma-buf-peer', true],
        ['/bin/dma-buf-raw', true],
      ])
      expect(await buildPrograms(cache, { say })).toEqual(programs)
      expect(say).toHaveBeenCalledTimes(1)

      const peer = join(cache, 'peer')
      writeFileSync(peer, programs[0]?.data ?? '')
      chmodSync(peer, 0o700)
      const { status, stderr } = spawnSync(peer, ['receve'], { encoding: 'utf8' })
      expect([status, stderr]).toEqual([
        2,
        expect.stringContaining('receve: no word that this program knows'),
      ])
    },
    60_000,
  )

  it('says what is missing where there is no compiler', async () => {
    vi.stubEnv('PATH', '')
    await expect(buildPrograms(cache, { say: () => {} })).rejects.toThrow(
      expect.objectContaining({ exitStatus: 69, hint: expect.stringContaining('apt-get install gcc') }),
    )
  })
})
