import { crc32 } from 'node:zlib'
import { closeAll, DmaError } from '@linux-dma/core'
import type { DmaBuf } from '@linux-dma/udmabuf'
import type { Channel } from './channel'
import { byteLengthOf, type FrameFormat } from './format'
import { type ProducerMessage, parseProducerMessage, unexpected } from './messages'
import { checksumOf, type Picture, takePicture } from './png'
import { findTear } from './stamp'
import { surfaceOf } from './surface'

type Frame = Extract<ProducerMessage, { type: 'frame' }>

/**
 * Receives buffers once, then frame by frame the word that one is ready; looks whether it is whole, takes the picture out,
 * gives the buffer back, and saves the picture.
 * @throws FRAMEBUFFER_TORN for a frame that is not whole; FRAMEBUFFER_PEER_GONE where the producer ends without saying so;
 *   FRAMEBUFFER_PROTOCOL, FRAMEBUFFER_FORMAT for what no producer says; what `save` throws
 */
export async function consume(
  channel: Channel,
  save: (picture: Picture, number: number) => void,
): Promise<void> {
  const { format, buffers } = await receiveBuffers(channel)
  try {
    for (;;) {
      const message = await channel.expect(parseProducerMessage)
      if (message.type === 'end') return
      const buffer = message.type === 'frame' ? buffers[message.buffer] : undefined
      if (message.type !== 'frame' || !buffer) throw unexpected(message)
      const picture = await look(buffer, format, message)
      // From here on the producer may draw into it.
      const { buffer: index, number } = message
      await channel.send({ type: 'released', buffer: index, number, pictureChecksum: checksumOf(picture) })
      save(picture, number)
    }
  } finally {
    closeAll(buffers.map((buffer) => () => buffer.close()))
  }
}

async function receiveBuffers(
  channel: Channel,
): Promise<{ format: FrameFormat; buffers: readonly DmaBuf[] }> {
  const got = await channel.receive(parseProducerMessage)
  if (!got) throw channel.gone()
  const { message, buffers } = got
  const large = (format: FrameFormat) => buffers.every(({ size }) => size >= byteLengthOf(format))
  if (message.type === 'buffers' && buffers.length > 0 && large(message.format)) {
    return { format: message.format, buffers }
  }
  closeAll(buffers.map((buffer) => () => buffer.close()))
  throw unexpected(message)
}

/** The picture in a buffer that is this side's now. */
export async function look(
  buffer: DmaBuf,
  format: FrameFormat,
  { number, checksum }: Pick<Frame, 'number' | 'checksum'>,
): Promise<Picture> {
  // Where a device drew the frame, it may still be at it.
  await buffer.waitForCpuAccess('read')
  return buffer.cpuAccess('read', (bytes) => {
    const surface = surfaceOf(bytes, format)
    const picture = takePicture(surface)
    // Looked at after it was copied: what was whole until now was whole before.
    const found = crc32(bytes.subarray(0, byteLengthOf(format)))
    const wrong = findTear(surface, number) ?? (found === checksum ? undefined : 'the checksum is another')
    if (wrong === undefined) return picture
    throw new DmaError('FRAMEBUFFER_TORN', `frame ${number} is torn: ${wrong}`, {
      hint: 'somebody drew into a buffer that had not been released',
    })
  })
}
