import { DmaError } from '@linux-dma/core'
import { describe, expect, it } from 'vitest'
import { findCapability } from './capability'

/** Configuration space with a list of capabilities: offset, id, next. */
function space(first: number, ...capabilities: [number, number, number][]) {
  const bytes = new Uint8Array(256)
  bytes[0x06] = 0x10
  bytes[0x34] = first
  for (const [at, id, next] of capabilities) bytes.set([id, next], at)
  return bytes
}

function config(bytes: Uint8Array, readable = bytes.byteLength) {
  const view = new DataView(bytes.buffer)
  const checked = (at: number) => {
    if (at >= readable) throw new DmaError('EIO', 'not for this process')
    return at
  }
  return {
    read8: (at: number) => view.getUint8(checked(at)),
    read16: (at: number) => view.getUint16(checked(at), true),
  }
}

describe('findCapability', () => {
  it('walks the list', () => {
    const listed = config(space(0x40, [0x40, 0x05, 0x50], [0x50, 0x11, 0x60], [0x60, 0x01, 0]))
    expect([0x05, 0x11, 0x01, 0x10].map((id) => findCapability(listed, id))).toEqual([
      0x40,
      0x50,
      0x60,
      undefined,
    ])
  })

  it('finds nothing without a list, and ignores the two lowest bits of a pointer', () => {
    const none = space(0x40, [0x40, 0x01, 0])
    none[0x06] = 0
    expect(findCapability(config(none), 0x01)).toBeUndefined()
    expect(findCapability(config(space(0x43, [0x40, 0x01, 0])), 0x01)).toBe(0x40)
  })

  it('ends where a broken list goes in circles or into the header', () => {
    expect(findCapability(config(space(0x40, [0x40, 0x05, 0x50], [0x50, 0x11, 0x40])), 0x01)).toBeUndefined()
    expect(findCapability(config(space(0x40, [0x40, 0x05, 0x04])), 0x01)).toBeUndefined()
    expect(findCapability(config(new Uint8Array(256).fill(0xff)), 0x01)).toBeUndefined()
  })

  it('finds nothing where only the first 64 bytes may be read', () => {
    expect(findCapability(config(space(0x40, [0x40, 0x01, 0]), 64), 0x01)).toBeUndefined()
    expect(() => findCapability(config(space(0x40, [0x40, 0x01, 0]), 0), 0x01)).toThrow(
      expect.objectContaining({ code: 'EIO' }),
    )
  })
})
