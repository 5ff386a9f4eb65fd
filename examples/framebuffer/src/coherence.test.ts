import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createFakeMachine } from '@linux-dma/testkit'
import { afterAll, expect, it } from 'vitest'
import { demonstrate } from './demonstrate'
import { besideProducer } from './start-consumer'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true })
})

it.each(['write-back', 'bounce'] as const)(
  'gets every frame across on a machine that is %s',
  async (coherence) => {
    const machine = createFakeMachine({ coherence })
    const { kernel } = machine
    const lines: string[] = []
    const pictures = mkdtempSync(path.join(tmpdir(), 'framebuffer-coherence-'))
    folders.push(pictures)
    await demonstrate(kernel, besideProducer(kernel, pictures), {
      frames: 3,
      print: (line) => lines.push(line),
    })
    machine.assertNoDmaErrors()
    machine.assertQuiescent()
    expect(lines.at(-1)).toContain('0 descriptors and 0 mappings left')
    expect(readdirSync(pictures)).toHaveLength(3)
  },
)
