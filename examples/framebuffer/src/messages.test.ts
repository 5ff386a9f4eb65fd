import { describe, expect, it } from 'vitest'
import { checkFormat, formatOf } from './format'
import { encodeMessage, parseConsumerMessage, parseProducerMessage } from './messages'

const format = formatOf(640, 480)

describe('messages', () => {
  it('arrive as they were sent', () => {
    const messages = [
      { type: 'buffers', format },
      { type: 'frame', buffer: 1, number: 2, checksum: 0xffff_ffff },
      { type: 'end' },
    ] as const
    for (const message of messages) {
      expect(parseProducerMessage(encodeMessage(message))).toEqual(message)
    }
    const released = { type: 'released', buffer: 1, number: 2, pictureChecksum: 3 } as const
    expect(parseConsumerMessage(encodeMessage(released))).toEqual(released)
  })

  it.each([
    '',
    '{',
    'null',
    '[]',
    '{"type":"stop"}',
    '{"type":"frame","buffer":0,"number":1}',
    '{"type":"frame","buffer":-1,"number":1,"checksum":0}',
    '{"type":"frame","buffer":"0","number":1,"checksum":0}',
    '{"type":"released","buffer":0.5,"number":1,"pictureChecksum":0}',
  ])('are refused: %s', (text) => {
    const bytes = new TextEncoder().encode(text)
    for (const parse of [parseProducerMessage, parseConsumerMessage]) {
      expect(() => parse(bytes)).toThrow(expect.objectContaining({ code: 'FRAMEBUFFER_PROTOCOL' }))
    }
  })

  it.each([
    undefined,
    { ...format, format: 'RG16' },
    { ...format, width: 255 },
    { ...format, height: 1e9 },
    { ...format, stride: 640 * 4 - 4 },
    { ...format, stride: 640 * 4 + 2 },
    { ...format, stride: '2560' },
  ])('have no such format: %j', (given) => {
    expect(() => checkFormat(given)).toThrow(expect.objectContaining({ code: 'FRAMEBUFFER_FORMAT' }))
  })
})
