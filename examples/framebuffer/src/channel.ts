import { closeAll, DmaError, isDmaError, type Kernel } from '@linux-dma/core'
import { type DmaBuf, receiveDmaBuf, sendDmaBuf } from '@linux-dma/udmabuf'
import { type ConsumerMessage, encodeMessage, type ProducerMessage, unexpected } from './messages'

/** One end of the socket between producer and consumer. The descriptor stays its opener's. */
export class Channel {
  readonly kernel: Kernel
  readonly #socket: number
  /** Who is at the other end. */
  readonly #peer: 'producer' | 'consumer'

  constructor(kernel: Kernel, socket: number, peer: 'producer' | 'consumer') {
    this.kernel = kernel
    this.#socket = socket
    this.#peer = peer
  }

  /** @throws FRAMEBUFFER_PEER_GONE */
  async send(message: ProducerMessage | ConsumerMessage, buffers: readonly DmaBuf[] = []): Promise<void> {
    try {
      await sendDmaBuf(this.#socket, buffers, { message: encodeMessage(message), kernel: this.kernel })
    } catch (error) {
      throw this.#explain(error)
    }
  }

  /**
   * The next message; undefined where the other end was closed and all that it sent has been read.
   * @throws FRAMEBUFFER_PEER_GONE where it was closed with something unread; what `parse` throws
   */
  async receive<Message>(
    parse: (bytes: Uint8Array) => Message,
  ): Promise<{ message: Message; buffers: readonly DmaBuf[] } | undefined> {
    const got = await receiveDmaBuf(this.#socket, { kernel: this.kernel }).catch((error) => {
      throw this.#explain(error)
    })
    if (!got) return undefined
    try {
      return { message: parse(got.message), buffers: got.buffers }
    } catch (error) {
      closeAll(got.buffers.map((buffer) => () => buffer.close()))
      throw error
    }
  }

  /**
   * The next message, which no buffers come with.
   * @throws FRAMEBUFFER_PEER_GONE, FRAMEBUFFER_PROTOCOL; what `parse` throws
   */
  async expect<Message>(parse: (bytes: Uint8Array) => Message): Promise<Message> {
    const got = await this.receive(parse)
    if (!got) throw this.gone()
    if (got.buffers.length === 0) return got.message
    closeAll(got.buffers.map((buffer) => () => buffer.close()))
    throw unexpected(got.message)
  }

  /** That the other end was closed before all was said. */
  gone(cause?: unknown): DmaError {
    return new DmaError(
      'FRAMEBUFFER_PEER_GONE',
      `the ${this.#peer} is gone`,
      cause === undefined ? {} : { cause },
    )
  }

  #explain(error: unknown): unknown {
    return isDmaError(error, 'EPIPE') || isDmaError(error, 'ECONNRESET') ? this.gone(error) : error
  }
}
