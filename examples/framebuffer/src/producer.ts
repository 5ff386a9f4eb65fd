import { crc32 } from 'node:zlib'
import { closeAll } from '@linux-dma/core'
import type { DmaBuf } from '@linux-dma/udmabuf'
import type { Channel } from './channel'
import { byteLengthOf, type FrameFormat } from './format'
import { Framebuffer } from './framebuffer'
import { type ConsumerMessage, parseConsumerMessage, unexpected } from './messages'
import { drawFrame } from './pattern'
import { surfaceOf } from './surface'

/** What to draw. */
export interface Show {
  readonly format: FrameFormat
  readonly frames: number
  /** Called once the buffers are there. */
  onBuffers?(framebuffers: readonly Framebuffer[]): void
  /** Called for each frame that the consumer is done with. */
  onReleased?(message: ConsumerMessage): void
}

/** One is drawn into while the consumer reads another, and a third is ready. */
const BUFFERS = 3

/**
 * Draws frames into a ring of buffers and passes each to the consumer. It touches no buffer that the consumer has: that is
 * what keeps pictures whole.
 * @throws FRAMEBUFFER_PEER_GONE where the consumer ends before all frames were released; FRAMEBUFFER_PROTOCOL
 */
export async function produce(channel: Channel, show: Show): Promise<void> {
  const { kernel } = channel
  const framebuffers: Framebuffer[] = []
  try {
    for (let i = 0; i < BUFFERS; i++) {
      framebuffers.push(new Framebuffer(kernel, show.format, `framebuffer ${i}`))
    }
    show.onBuffers?.(framebuffers)
    await channel.send(
      { type: 'buffers', format: show.format },
      framebuffers.map(({ buffer }) => buffer),
    )
    await drawAll(channel, show, framebuffers)
    await channel.send({ type: 'end' })
  } finally {
    closeAll(framebuffers.map((framebuffer) => () => framebuffer.close()))
  }
}

async function drawAll(channel: Channel, show: Show, framebuffers: readonly Framebuffer[]): Promise<void> {
  const free = [...framebuffers.keys()]
  /** The frame that the consumer has in each buffer. */
  const lent = new Map<number, number>()
  const takeBack = async () => {
    const message = await channel.expect(parseConsumerMessage)
    if (lent.get(message.buffer) !== message.number) throw unexpected(message)
    lent.delete(message.buffer)
    free.push(message.buffer)
    show.onReleased?.(message)
  }
  for (let number = 0; number < show.frames; number++) {
    while (free.length === 0) await takeBack()
    const buffer = free.shift()!
    const checksum = await draw(framebuffers[buffer]!.buffer, show.format, number)
    lent.set(buffer, number)
    await channel.send({ type: 'frame', buffer, number, checksum })
  }
  while (lent.size > 0) await takeBack()
}

/** Draws a frame, which devices that have the buffer see from then on, and answers the checksum of its bytes. */
export async function draw(buffer: DmaBuf, format: FrameFormat, number: number): Promise<number> {
  // A display that still reads the frame before would be waited for here.
  await buffer.waitForCpuAccess('write')
  return buffer.cpuAccess('write', (bytes) => {
    drawFrame(surfaceOf(bytes, format), number)
    return crc32(bytes.subarray(0, byteLengthOf(format)))
  })
}
