import fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  addToDmaAddress,
  type DmaAddress,
  dmaAddress,
  formatDmaAddress,
  lowerHalf,
  type PhysicalAddress,
  physicalAddress,
  toBigInt,
  toNumber,
  upperHalf,
} from './address'

const exact = fc.maxSafeNat()

describe('addresses', () => {
  it('split into halves and join again', () => {
    fc.assert(
      fc.property(exact, (value) => {
        const address = dmaAddress(value)
        expect(upperHalf(address) * 2 ** 32 + lowerHalf(address)).toBe(value)
        expect(toBigInt(address)).toBe(BigInt(value))
        expect(toNumber(dmaAddress(BigInt(value)))).toBe(value)
        expect(BigInt(formatDmaAddress(address))).toBe(BigInt(value))
        expect(formatDmaAddress(address)).toHaveLength(18)
      }),
    )
  })

  it('refuse what a double cannot hold exactly', () => {
    const senseless = [
      -1,
      0.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      2 ** 53,
      -1n,
      1n << 53n,
      0xffff_ffff_ffff_ffffn,
    ]
    for (const value of senseless) {
      expect(() => dmaAddress(value)).toThrow(expect.objectContaining({ code: 'DMA_ADDRESS_RANGE' }))
      expect(() => physicalAddress(value)).toThrow(/physical address/)
    }
  })

  it('add with the overflow seen', () => {
    expect(toNumber(addToDmaAddress(dmaAddress(0xffff_ffff), 1))).toBe(2 ** 32)
    expect(() => addToDmaAddress(dmaAddress(0), -1)).toThrow(/DMA_ADDRESS_RANGE/)
    expect(() => addToDmaAddress(dmaAddress(2 ** 53 - 1), 1)).toThrow(/DMA_ADDRESS_RANGE/)
  })

  it('are neither numbers nor each other to the compiler', () => {
    expectTypeOf<DmaAddress>().not.toExtend<number>()
    expectTypeOf<DmaAddress>().not.toExtend<bigint>()
    expectTypeOf<number>().not.toExtend<DmaAddress>()
    expectTypeOf<PhysicalAddress>().not.toExtend<DmaAddress>()
  })
})
