import { DmaError } from '@linux-dma/core'
import { checkFormat, type FrameFormat } from './format'

/** What the producer says. The first message is the one that the dma-bufs come with. */
export type ProducerMessage =
  | { readonly type: 'buffers'; readonly format: FrameFormat }
  /** A buffer is the consumer's, with the frame of that number, until it is released. */
  | { readonly type: 'frame'; readonly buffer: number; readonly number: number; readonly checksum: number }
  | { readonly type: 'end' }

/** What the consumer answers: the buffer is the producer's again. */
export interface ConsumerMessage {
  readonly type: 'released'
  readonly buffer: number
  readonly number: number
  /** Of the pixels of the picture that was made of the frame. */
  readonly pictureChecksum: number
}

/** @throws FRAMEBUFFER_PROTOCOL, FRAMEBUFFER_FORMAT: whoever is at the other end is not believed */
export function parseProducerMessage(bytes: Uint8Array): ProducerMessage {
  const words = parse(bytes)
  switch (words.type) {
    case 'buffers':
      return { type: 'buffers', format: checkFormat(words.format) }
    case 'frame':
      return { type: 'frame', ...numbersOf(words, 'buffer', 'number', 'checksum') }
    case 'end':
      return { type: 'end' }
    default:
      throw unexpected(words)
  }
}

/** @throws FRAMEBUFFER_PROTOCOL */
export function parseConsumerMessage(bytes: Uint8Array): ConsumerMessage {
  const words = parse(bytes)
  if (words.type !== 'released') throw unexpected(words)
  return { type: 'released', ...numbersOf(words, 'buffer', 'number', 'pictureChecksum') }
}

/** The bytes of a message. */
export function encodeMessage(message: ProducerMessage | ConsumerMessage): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(message))
}

/** What a message says that was not to come now, or never. */
export function unexpected(message: unknown): DmaError {
  return new DmaError('FRAMEBUFFER_PROTOCOL', `no such message was to come: ${JSON.stringify(message)}`)
}

function parse(bytes: Uint8Array): Record<string, unknown> {
  const text = new TextDecoder().decode(bytes)
  try {
    const words: unknown = JSON.parse(text)
    if (typeof words === 'object' && words !== null) return words as Record<string, unknown>
  } catch {
    // Said below.
  }
  throw unexpected(text)
}

function numbersOf<Name extends string>(
  words: Record<string, unknown>,
  ...names: Name[]
): Record<Name, number> {
  const right = names.every((name) => Number.isSafeInteger(words[name]) && (words[name] as number) >= 0)
  if (!right) throw unexpected(words)
  return Object.fromEntries(names.map((name) => [name, words[name]])) as Record<Name, number>
}
