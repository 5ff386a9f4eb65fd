import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Kernel } from '@linux-dma/core'
import { createFakeMachine } from '@linux-dma/testkit'
import { afterAll, describe, expect, it } from 'vitest'
import { Channel } from './channel'
import { demonstrate } from './demonstrate'
import { type ConsumerMessage, parseProducerMessage } from './messages'
import { besideProducer, consumeInto, type StartConsumer } from './start-consumer'

const folder = mkdtempSync(path.join(tmpdir(), 'framebuffer-ends-'))
afterAll(() => rmSync(folder, { recursive: true }))

const silent = { frames: 6, print: () => {} }

/** A consumer of our own, which ends, and is heard of, as a process does and is. */
function consumerThat(kernel: Kernel, act: (channel: Channel) => Promise<void>): StartConsumer {
  return async (socket) => {
    try {
      await act(new Channel(kernel, socket, 'producer'))
    } finally {
      kernel.close(socket)
    }
    return 'it had enough'
  }
}

/** Takes the buffers and so many frames, and gives each back. */
async function take(channel: Channel, frames: number): Promise<void> {
  const got = await channel.receive(parseProducerMessage)
  for (const buffer of got!.buffers) buffer.close()
  for (let i = 0; i < frames; i++) {
    const message = await channel.expect(parseProducerMessage)
    if (message.type !== 'frame') throw new Error(`no frame: ${message.type}`)
    const { buffer, number } = message
    await channel.send({ type: 'released', buffer, number, pictureChecksum: 0 })
  }
}

describe('a consumer', () => {
  it.each([
    ['before it was sent anything', async () => {}],
    ['with the buffers only', (channel: Channel) => take(channel, 0)],
    ['in the middle', (channel: Channel) => take(channel, 2)],
    ['before it was told of the end', (channel: Channel) => take(channel, 6)],
  ])('that ends %s is told of, and nothing is left', async (_, act) => {
    const machine = createFakeMachine()
    const run = demonstrate(machine.kernel, consumerThat(machine.kernel, act), silent)
    await expect(run).rejects.toMatchObject({
      code: 'FRAMEBUFFER_PEER_GONE',
      message: expect.stringContaining('the consumer did not get to its end: it had enough'),
    })
    machine.assertQuiescent()
  })

  it('that cannot save its pictures says why', async () => {
    const machine = createFakeMachine()
    const { kernel } = machine
    const missing = path.join(folder, 'missing')
    await expect(demonstrate(kernel, besideProducer(kernel, missing), silent)).rejects.toThrow(/ENOENT/)
    machine.assertQuiescent()
  })

  it.each<[string, ConsumerMessage]>([
    ['it does not have', { type: 'released', buffer: 7, number: 0, pictureChecksum: 0 }],
    ['of another frame', { type: 'released', buffer: 0, number: 1, pictureChecksum: 0 }],
  ])('that releases a buffer %s is not believed', async (_, lie) => {
    const machine = createFakeMachine()
    const liar = consumerThat(machine.kernel, async (channel) => {
      await channel.send(lie)
      await take(channel, 3).catch(() => {})
    })
    await expect(demonstrate(machine.kernel, liar, silent)).rejects.toMatchObject({
      code: 'FRAMEBUFFER_PROTOCOL',
    })
    machine.assertQuiescent()
  })
})

describe('a producer', () => {
  it.each([1, 2, 3])('that gets no buffer %i says so, and nothing is left', async (nth) => {
    const machine = createFakeMachine()
    const { kernel } = machine
    machine.failCall({ syscall: 'ioctl(UDMABUF_CREATE_LIST)', nth, code: 'ENOMEM' })
    await expect(demonstrate(kernel, besideProducer(kernel, folder), silent)).rejects.toMatchObject({
      code: 'ENOMEM',
    })
    machine.assertQuiescent()
  })

  it('that ends without a word is told of by the consumer', async () => {
    const machine = createFakeMachine()
    const { kernel } = machine
    const [ours, theirs] = kernel.socketPair()
    const consumer = consumeInto(folder, kernel, theirs)
    kernel.close(ours)
    await expect(consumer).rejects.toMatchObject({
      code: 'FRAMEBUFFER_PEER_GONE',
      message: expect.stringContaining('the producer is gone'),
    })
    kernel.close(theirs)
    machine.assertQuiescent()
  })

  it('draws no more frames than can be told apart', async () => {
    const { kernel } = createFakeMachine()
    for (const frames of [0, 1.5, Number.NaN, 65_537]) {
      const run = demonstrate(kernel, besideProducer(kernel, folder), { ...silent, frames })
      await expect(run).rejects.toMatchObject({ code: 'FRAMEBUFFER_FRAMES' })
    }
  })
})
