import { expect, it } from 'vitest'
import { outcome } from './fixtures/outcome'
import { createRandom } from './prng'

it('gives the same stream for the same seed, and another for another', () => {
  const stream = (seed: number) => {
    const random = createRandom(seed)
    return Array.from({ length: 8 }, () => random.uint32())
  }
  expect(stream(7)).toEqual(stream(7))
  expect(stream(7)).not.toEqual(stream(8))
})

it('reaches every integer below a bound, and none beyond', () => {
  const random = createRandom(0)
  const seen = new Set(Array.from({ length: 400 }, () => random.integer(5)))
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4])
})

it('fills bytes evenly', () => {
  const bytes = createRandom(1).fill(new Uint8Array(65536))
  const mean = bytes.reduce((sum, byte) => sum + byte, 0) / bytes.length
  expect(mean).toBeGreaterThan(125)
  expect(mean).toBeLessThan(130)
})

it('refuses seeds and bounds that are none', () => {
  for (const seed of [-1, 0.5, 2 ** 32, Number.NaN, '1' as never]) {
    expect(outcome(() => createRandom(seed))).toBe('DMA_INVALID_ARGUMENT')
  }
  expect(outcome(() => createRandom(1).integer(0))).toBe('DMA_INVALID_ARGUMENT')
})
