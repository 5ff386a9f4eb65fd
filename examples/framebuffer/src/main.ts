import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { linuxKernel } from '@linux-dma/core'
import { createFakeMachine } from '@linux-dma/testkit'
import { checkFrames, demonstrate } from './demonstrate'
import { asProcess, besideProducer, consumeInto, messageOf, pictureFile } from './start-consumer'

const usage = `usage: framebuffer [--fake | --real] [--frames N] [--output FOLDER] [--picture N]

  --fake           a fake machine, producer and consumer in one process: runs anywhere (default)
  --real           this machine's /dev/udmabuf, and a process of its own for the consumer
  --frames N       how many to draw (default 8)
  --output FOLDER  where the pictures go; by default a new folder among the temporary ones
  --picture N      then write that picture to standard output, and all else to standard error
  --consume        be the consumer, with the socket as descriptor 3: what --real starts`

/** Where a child finds the socket. */
const INHERITED = 3

interface Choice {
  readonly real: boolean
  readonly frames: number
  readonly picture: number | undefined
  readonly output: string
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      fake: { type: 'boolean' },
      real: { type: 'boolean', default: false },
      frames: { type: 'string', default: '8' },
      output: { type: 'string' },
      picture: { type: 'string' },
      consume: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return console.log(usage)
  const frames = checkFrames(Number(values.frames))
  const picture = values.picture === undefined ? undefined : checkFrames(Number(values.picture) + 1) - 1
  if (values.output !== undefined) mkdirSync(values.output, { recursive: true })
  const output = path.resolve(values.output ?? mkdtempSync(path.join(tmpdir(), 'framebuffer-')))
  if (values.consume) return consumeInto(output, linuxKernel(), INHERITED)
  try {
    await show({ real: values.real, frames, picture, output })
  } catch (error) {
    if (values.output === undefined) rmSync(output, { recursive: true })
    throw error
  }
}

async function show({ real, frames, picture, output }: Choice): Promise<void> {
  const print = picture === undefined ? console.log : console.error
  const kernel = real ? linuxKernel() : createFakeMachine().kernel
  // This program again.
  const words = [...process.execArgv, process.argv[1]!, '--consume', '--output', output]
  const startConsumer = real ? asProcess(kernel, words) : besideProducer(kernel, output)
  await demonstrate(kernel, startConsumer, { frames, print })
  print(`pictures    ${output}`)
  if (picture !== undefined) process.stdout.write(readFileSync(pictureFile(output, picture)))
}

main().catch((error: unknown) => {
  console.error(messageOf(error))
  process.exitCode = 1
})
