import { crc32 } from 'node:zlib'
import { createFakeMachine } from '@linux-dma/testkit'
import type { DmaBuf } from '@linux-dma/udmabuf'
import { describe, expect, it } from 'vitest'
import { Channel } from './channel'
import { consume } from './consumer'
import { byteLengthOf, formatOf } from './format'
import { Framebuffer } from './framebuffer'
import type { ProducerMessage } from './messages'
import { drawFrame } from './pattern'
import type { Picture } from './png'
import { type Surface, surfaceOf } from './surface'

const format = formatOf(320, 160)

/** Draws frame 3, does something to it afterwards, and has it consumed as if nothing had been done. */
async function consumeAfter(spoil: (surface: Surface) => void): Promise<Picture[]> {
  const machine = createFakeMachine()
  const pictures: Picture[] = []
  try {
    await withProducer(machine.kernel, pictures, async (channel, buffer) => {
      const checksum = buffer.cpuAccess('write', (bytes) => {
        drawFrame(surfaceOf(bytes, format), 3)
        return crc32(bytes.subarray(0, byteLengthOf(format)))
      })
      await channel.send({ type: 'buffers', format }, [buffer])
      await channel.send({ type: 'frame', buffer: 0, number: 3, checksum })
      buffer.cpuAccess('write', (bytes) => spoil(surfaceOf(bytes, format)))
      await channel.send({ type: 'end' })
    })
  } finally {
    machine.assertQuiescent()
  }
  return pictures
}

async function withProducer(
  kernel: ReturnType<typeof createFakeMachine>['kernel'],
  pictures: Picture[],
  act: (channel: Channel, buffer: DmaBuf) => Promise<void>,
): Promise<void> {
  const [ours, theirs] = kernel.socketPair()
  try {
    using framebuffer = new Framebuffer(kernel, format, 'test')
    await act(new Channel(kernel, ours, 'consumer'), framebuffer.buffer)
    await consume(new Channel(kernel, theirs, 'producer'), (picture) => pictures.push(picture))
  } finally {
    kernel.close(ours)
    kernel.close(theirs)
  }
}

describe('the consumer', () => {
  it('takes a frame that nobody touched', async () => {
    const [picture] = await consumeAfter(() => {})
    expect(picture).toMatchObject({ width: 320, height: 160 })
  })

  it.each<[string, (surface: Surface) => void, string]>([
    [
      'whose lower half is of the next frame',
      (surface) => {
        const upper = surface.pixels.slice(0, 80 * surface.pitch)
        drawFrame(surface, 4)
        surface.pixels.set(upper)
      },
      'line 80 is of frame 4',
    ],
    [
      'in which a line is half drawn',
      ({ pixels, pitch }) => pixels.fill(0, 9 * pitch + 300, 10 * pitch),
      'line 9 is half drawn',
    ],
    [
      'of which one pixel is another',
      ({ pixels, pitch }) => pixels.fill(1, 9 * pitch + 99, 9 * pitch + 100),
      'the checksum is another',
    ],
  ])('refuses a frame %s', async (_, spoil, what) => {
    await expect(consumeAfter(spoil)).rejects.toMatchObject({
      code: 'FRAMEBUFFER_TORN',
      message: expect.stringContaining(`frame 3 is torn: ${what}`),
    })
  })

  it.each<[string, ProducerMessage[]]>([
    ['a frame in a buffer that there is not', [{ type: 'frame', buffer: 1, number: 0, checksum: 0 }]],
    ['buffers twice', [{ type: 'buffers', format }]],
    ['a frame before any buffers', []],
  ])('refuses %s', async (_, messages) => {
    const machine = createFakeMachine()
    const run = withProducer(machine.kernel, [], async (channel, buffer) => {
      if (messages.length === 0) return channel.send({ type: 'end' })
      await channel.send({ type: 'buffers', format }, [buffer])
      for (const message of messages) await channel.send(message)
    })
    await expect(run).rejects.toMatchObject({ code: 'FRAMEBUFFER_PROTOCOL' })
    machine.assertQuiescent()
  })

  it('refuses buffers that are too small for their frames', async () => {
    const machine = createFakeMachine()
    const run = withProducer(machine.kernel, [], (channel, buffer) =>
      channel.send({ type: 'buffers', format: formatOf(1920, 1080) }, [buffer]),
    )
    await expect(run).rejects.toMatchObject({ code: 'FRAMEBUFFER_PROTOCOL' })
    machine.assertQuiescent()
  })
})
