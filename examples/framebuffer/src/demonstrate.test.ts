import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import { createFakeMachine } from '@linux-dma/testkit'
import { PNG } from 'pngjs'
import { afterAll, describe, expect, it } from 'vitest'
import { demonstrate } from './demonstrate'
import { besideProducer } from './start-consumer'

const folder = mkdtempSync(path.join(tmpdir(), 'framebuffer-test-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('the framebuffer', () => {
  it('gets every frame across, whole, and leaves nothing behind', async () => {
    const machine = createFakeMachine()
    const lines: string[] = []
    const print = (line: string) => lines.push(line)
    await demonstrate(machine.kernel, besideProducer(machine.kernel, folder), { frames: 5, print })
    machine.assertQuiescent()
    expect(lines).toHaveLength(2 + 5 + 3)
    expect(lines.at(-1)).toContain('0 descriptors and 0 mappings left')

    const promised = lines.flatMap((line) => /picture (\w{8})/.exec(line)?.[1] ?? [])
    const names = readdirSync(folder).sort()
    expect(names).toHaveLength(5)
    expect(names.map((name) => checksumOfFile(path.join(folder, name)))).toEqual(promised)
    expect(new Set(promised).size).toBe(5)
  })
})

/** Of the pixels, without those bytes that PNG has for how much one sees through them. */
function checksumOfFile(file: string): string {
  const { data, width, height } = PNG.sync.read(readFileSync(file))
  const pixels = new Uint8Array(width * height * 3)
  for (let i = 0; i < width * height; i++) pixels.set(data.subarray(i * 4, i * 4 + 3), i * 3)
  return crc32(pixels).toString(16).padStart(8, '0')
}
