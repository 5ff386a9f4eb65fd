import { describe, expect, it } from 'vitest'
import { nameBytes } from './name'

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

describe('the name of a buffer', () => {
  it('is ended by a zero, as the kernel wants it', () => {
    expect([...nameBytes('ab')].slice(0, 3)).toEqual([0x61, 0x62, 0])
    expect(nameBytes('')[0]).toBe(0)
  })

  it('has 31 bytes at most, however many letters that are', () => {
    for (const name of ['a'.repeat(31), `${'é'.repeat(15)}z`]) {
      expect(nameBytes(name)).toHaveLength(32)
      expect(text(nameBytes(name))).toBe(`${name}\0`)
    }
    for (const name of ['a'.repeat(32), 'é'.repeat(16), '🎞'.repeat(8)]) {
      expect(() => nameBytes(name)).toThrow(/DMA_INVALID_ARGUMENT: .* is no name[\s\S]*31 bytes/)
    }
  })

  it.each([
    ['a zero', 'a\0b'],
    ['a line feed', 'a\n'],
    ['no text', 7],
    ['nothing', undefined],
    ['null', null],
  ])('is refused with %s', (_, name) => {
    expect(() => nameBytes(name as string)).toThrow('DMA_INVALID_ARGUMENT')
  })
})
