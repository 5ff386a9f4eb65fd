import { dmaBitMask } from '@linux-dma/core'
import { describe, expect, it } from 'vitest'
import { isInReach } from './driver-region'

describe('a region of a driver', () => {
  const at = (busAddress: bigint) => ({ origin: 'map1', busAddress, byteLength: 4096, position: 4096 })

  it('is in reach up to its last byte', () => {
    expect(isInReach(at(0xffff_f000n), dmaBitMask(32))).toBe(true)
    expect(isInReach(at(0x1_0000_0000n), dmaBitMask(32))).toBe(false)
    expect(isInReach({ ...at(0xffff_f000n), byteLength: 4097 }, dmaBitMask(32))).toBe(false)
  })

  it('is out of reach where a number cannot say where it is', () => {
    expect(isInReach(at((1n << 53n) - 4096n), dmaBitMask(64))).toBe(true)
    expect(isInReach(at(1n << 53n), dmaBitMask(64))).toBe(false)
    expect(isInReach(at(0xffff_ffff_ffff_f000n), dmaBitMask(64))).toBe(false)
  })
})
