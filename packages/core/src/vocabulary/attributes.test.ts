import fc from 'fast-check'
import { expect, it } from 'vitest'
import { assertAttributes, DmaAttribute } from './attributes'

const known = Object.values(DmaAttribute).reduce((all, flag) => all | flag, 0)

it('takes every set of known attributes', () => {
  for (const flag of [0, ...Object.values(DmaAttribute), known]) assertAttributes('test', flag, 0)
})

it('refuses every number with another bit, also above the 32 that operators see', () => {
  const wide = fc.record({ low: fc.nat(known), high: fc.integer({ min: 1, max: 2 ** 20 }) })
  fc.assert(
    fc.property(wide, ({ low, high }) => {
      expect(() => assertAttributes('test', (low & known) + high * 2 ** 32, 0)).toThrow(
        expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' }),
      )
    }),
  )
  for (const wrong of [
    1,
    1 << 3,
    1 << 11,
    1 << 13,
    -1,
    0.5,
    Number.NaN,
    2 ** 32,
    2 ** 32 + 32,
    '32',
    null,
    32n,
  ]) {
    expect(() => assertAttributes('test', wrong as never, 0)).toThrow(
      expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' }),
    )
  }
})
