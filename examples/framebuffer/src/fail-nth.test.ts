import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { failNth } from '@linux-dma/testkit'
import { afterAll, expect, it } from 'vitest'
import { demonstrate } from './demonstrate'
import { besideProducer } from './start-consumer'

const folder = mkdtempSync(path.join(tmpdir(), 'framebuffer-errors-'))
afterAll(() => rmSync(folder, { recursive: true }))

it('fails clearly on whichever side, and leaves nothing behind, whichever system call fails', async () => {
  const { runs } = await failNth(
    ({ kernel }) => demonstrate(kernel, besideProducer(kernel, folder), { frames: 1, print: () => {} }),
    {
      oncePerPlace: true,
      // What a connection that was reset means here.
      isClear: (error) => error instanceof Error && /the (?:producer|consumer) is gone$/.test(error.message),
      // A frame is long to draw: one errno is enough.
      errnos: 'one',
    },
  )
  expect(runs).toBeGreaterThan(20)
}, 600_000)
