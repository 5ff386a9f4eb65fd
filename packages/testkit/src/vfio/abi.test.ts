import { expect, it } from 'vitest'
import { requests } from '../fixtures/raw-vfio'
import * as abi from './abi'

it('has the request numbers that a live kernel has', () => {
  const numbers = Object.fromEntries(Object.entries(abi).filter(([name]) => name in requests))
  expect(numbers).toEqual(requests)
})

it('counts regions in steps of 2^40', () => {
  expect(abi.regionPosition(7).toString(16)).toBe('70000000000')
  expect(abi.regionOfPosition(abi.regionPosition(7) + 255)).toBe(7)
})
