import { describe, expect, it } from 'vitest'
import { noSuchRegister, notAnAddress, notAValue } from './register-errors'

const whole = { start: 0, byteLength: 16 }

describe('the errors of registers', () => {
  it.each<[unknown, string]>([
    [0x20, '0x20'],
    [-4, '-0x4'],
    [0.5, '0.5'],
    [Number.NaN, 'NaN'],
    [1e21, '1e+21'],
    ['0', "'0'"],
    [0n, '0n'],
    [undefined, 'undefined'],
    [new Uint8Array(1), 'a Uint8Array'],
  ])('show the offset as it was passed: %s', (offset, text) => {
    expect(noSuchRegister('BAR 0', offset, 4, whole).message).toMatch(`no 32-bit access at offset ${text}\n`)
  })

  it('say which offsets there are', () => {
    expect(noSuchRegister('BAR 0', 1, 4, whole).hint).toBe('offsets are multiples of 4 from 0 to 0xc')
    expect(noSuchRegister('BAR 0', '0', 4, whole).hint).toBe(
      'pass a number: offsets are multiples of 4 from 0 to 0xc',
    )
    expect(noSuchRegister('BAR 0', 8, 4, { start: 0, byteLength: 10 }).hint).toMatch(/ to 0x4$/)
    expect(noSuchRegister('BAR 0', 0, 8, { start: 0, byteLength: 4 }).hint).toBe('it has 4 bytes in all')
    expect(noSuchRegister('BAR 0', 0, 4, { start: 0x42, byteLength: 16 }).hint).toMatch(
      /begins at 0x42, which is none$/,
    )
  })

  it('show the value as it was passed, and what to pass', () => {
    expect(notAValue('BAR 0', 1n, 32)).toMatchObject({
      message: expect.stringMatching(/^DMA_VALUE_RANGE: BAR 0: 1n is no unsigned 32-bit value\n/),
      hint: 'pass a number from 0 to 0xffffffff',
    })
    expect(notAValue('BAR 0', '1', 8).message).toMatch("BAR 0: '1' is no unsigned 8-bit value")
    expect(notAValue('BAR 0', -1, 32).hint).toMatch(/value >>> 0/)
    expect(notAValue('BAR 0', 1, 64)).toMatchObject({ hint: expect.stringMatching(/bigint from 0n/) })
    expect(notAnAddress('BAR 0', '4096').message).toMatch("'4096' is no DMA address")
  })
})
