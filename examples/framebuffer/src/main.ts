import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { linuxKernel } from '@linux-dma/core'
import { createFakeMachine } from '@linux-dma/testkit'
import { demonstrate } from './demonstrate'
import { asProcess, besideProducer, consumeInto, messageOf } from './start-consumer'

const usage = `usage: framebuffer [--fake | --real] [--frames N] [--output FOLDER]

  --fake           a fake machine, producer and consumer in one process: runs anywhere (default)
  --real           this machine's /dev/udmabuf, and a process of its own for the consumer
  --frames N       how many to draw (default 8)
  --output FOLDER  where the pictures go; by default a new folder among the temporary ones
  --consume        be the consumer, with the socket as descriptor 3: what --real starts`

/** Where a child finds the socket. */
const INHERITED = 3

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      fake: { type: 'boolean' },
      real: { type: 'boolean' },
      frames: { type: 'string', default: '8' },
      output: { type: 'string' },
      consume: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return console.log(usage)
  const output = makeFolder(values.output)
  if (values.consume) return consumeInto(output, linuxKernel(), INHERITED)
  const kernel = values.real ? linuxKernel() : createFakeMachine().kernel
  // This program again.
  const again = [...process.execArgv, process.argv[1]!, '--consume', '--output', output]
  const start = values.real ? asProcess(kernel, again) : besideProducer(kernel, output)
  await demonstrate(kernel, start, { frames: Number(values.frames), print: console.log })
  console.log(`pictures    ${output}`)
}

function makeFolder(output: string | undefined): string {
  if (output === undefined) return mkdtempSync(path.join(tmpdir(), 'framebuffer-'))
  mkdirSync(output, { recursive: true })
  return path.resolve(output)
}

main().catch((error: unknown) => {
  console.error(messageOf(error))
  process.exitCode = 1
})
