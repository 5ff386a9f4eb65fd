import { describe, expect, it } from 'vitest'
import { checkBarPart } from './bar-part'

const check = (part: unknown, limit = 0x10_000) => checkBarPart('BAR', 0, part as never, limit, 4096)

describe('checkBarPart', () => {
  it('is all of the BAR, or the part', () => {
    expect(check(undefined)).toEqual({ byteOffset: 0, byteLength: 0x10_000 })
    expect(check({ byteOffset: 0x1000, byteLength: 10 })).toEqual({ byteOffset: 0x1000, byteLength: 10 })
    expect(check(undefined, 0x8000_0000).byteLength).toBe(0x8000_0000)
    expect(check({ byteOffset: 0x1_0000_0000, byteLength: 1 }, 2 ** 40).byteOffset).toBe(0x1_0000_0000)
  })

  it.each([
    [{ byteOffset: 1, byteLength: 1 }, 'DMA_RANGE'],
    [{ byteOffset: 0, byteLength: 0x10_001 }, 'DMA_RANGE'],
    [{ byteOffset: 0x10_000, byteLength: 1 }, 'DMA_RANGE'],
    [{ byteOffset: 0, byteLength: 0 }, 'DMA_RANGE'],
    [{ byteOffset: -4096, byteLength: 1 }, 'DMA_RANGE'],
    [{ byteLength: 1 }, 'DMA_RANGE'],
    [{ byteOffset: 0, length: 1 }, 'DMA_INVALID_ARGUMENT'],
    [null, 'DMA_INVALID_ARGUMENT'],
  ])('refuses %j', (part, code) => {
    expect(() => check(part)).toThrow(expect.objectContaining({ code }))
  })

  it('refuses more than a region can have', () => {
    const code = 'DMA_TOO_LARGE'
    expect(() => check(undefined, 0x8000_0001)).toThrow(expect.objectContaining({ code }))
    expect(() => check({ byteOffset: 0, byteLength: 0x8000_1000 }, 2 ** 40)).toThrow(
      expect.objectContaining({ code, hint: expect.stringContaining('device.bar(0') }),
    )
  })
})
