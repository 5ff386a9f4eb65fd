import { expect, it } from 'vitest'
import { failureOf } from '../fixtures/outcome'
import { LowMemory } from './low-memory'

const most = 0x80000

it('gives memory in one piece, aligned to its size, and no address twice while there are others', () => {
  const memory = new LowMemory()
  const first = memory.take(3, most)
  expect(first % 4).toBe(0)
  const second = memory.take(16, most)
  expect([second % 16, second >= first + 3]).toEqual([0, true])
  memory.give(first)
  expect(memory.take(3, most)).toBeGreaterThan(second)
})

it('starts again at the bottom, around what is taken, and ends', () => {
  const memory = new LowMemory()
  const large = 0x10000
  const taken = Array.from({ length: 7 }, () => memory.take(large, most))
  expect(failureOf(() => memory.take(large, most))).toBe('ENOMEM')
  memory.give(taken[2]!)
  expect(memory.take(large, most)).toBe(taken[2])
  expect(memory.take(1, most)).toBe(0x2640)
})

it('keeps below a limit', () => {
  const memory = new LowMemory()
  memory.take(0x8000, most)
  expect(memory.take(16, 0x2700)).toBeLessThan(0x2700)
  expect(failureOf(() => memory.take(0x100, 0x2700))).toBe('ENOMEM')
})
