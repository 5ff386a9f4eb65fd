import { describe, expect, it } from 'vitest'
import { openDisturbed } from '../fixtures/disturbed-device'

describe('a register that answers late', () => {
  it('is read as it was before, so often', () => {
    const { registers, disturbance, end } = openDisturbed({ register: 'late', byteOffset: 0x10, reads: 2 })
    const read = () => registers.read32(0x10)
    expect(read()).toBe(0)
    registers.write32(0x10, 7)
    expect([read(), read(), read(), read()]).toEqual([0, 0, 7, 7])
    registers.write32(0x10, 8)
    expect([registers.read32(0x14), read(), read(), read()]).toEqual([0, 7, 7, 8])
    expect(disturbance.hits.map(({ what }) => what)).toEqual([
      '32 bits at 0x10 of BAR 0 answers 0x0 2 times instead of 0x7',
      '32 bits at 0x10 of BAR 0 answers 0x7 2 times instead of 0x8',
    ])
    end()
  })

  it('is not read in the device meanwhile, so that a value that a read takes away is not lost', () => {
    const { registers, model, end } = openDisturbed({ register: 'late', byteOffset: 0x10, reads: 3, nth: 1 })
    registers.read32(0x10)
    registers.write32(0x10, 7)
    const before = model.accesses.length
    for (let turn = 0; turn < 4; turn++) registers.read32(0x10)
    expect(model.accesses.length - before).toBe(1)
    registers.write32(0x10, 9)
    expect(registers.read32(0x10)).toBe(9)
    end()
  })

  it('answers at once when it is stopped, and after a reset', () => {
    for (const ending of ['stop', 'reset'] as const) {
      const { registers, device, disturbance, end } = openDisturbed({
        register: 'late',
        byteOffset: 0,
        reads: 99,
      })
      registers.read32(0)
      registers.write32(0, 7)
      expect(registers.read32(0)).toBe(0)
      if (ending === 'stop') disturbance.stop()
      else device.reset()
      expect(registers.read32(0)).toBe(7)
      end()
    }
  })
})

describe('a register with stuck bits', () => {
  it('has them at one or at zero in every read, and the device does not', () => {
    const { registers, model, disturbances, end } = openDisturbed([
      { register: 'stuck', byteOffset: 0x10, bits: 0x6, level: 1 },
      { register: 'stuck', byteOffset: 0x10, bits: 0x100000001n, level: 0 },
    ])
    registers.write32(0x10, 0x13)
    expect([registers.read32(0x10), registers.read8(0x10), registers.read32(0x14)]).toEqual([0x16, 0x16, 0])
    expect(model.memory.getUint32(0x10, true)).toBe(0x13)
    registers.write64(0x10, 0x1_0000_0001n)
    expect(registers.read64(0x10)).toBe(6n)
    registers.write32(0x10, 6)
    expect(registers.read32(0x10)).toBe(6)
    expect(disturbances.map(({ count }) => count)).toEqual([3, 3])
    end()
  })
})

describe('a register that does not answer', () => {
  it('is all ones, in the width that was asked for', () => {
    const { registers, model, disturbance, end } = openDisturbed({ register: 'ones', every: 2 })
    registers.write32(0x10, 5)
    model.accesses.length = 0
    expect([registers.read32(0x10), registers.read32(0x10)]).toEqual([5, 0xffff_ffff])
    expect([registers.read64(0x10), registers.read64(0x10)]).toEqual([5n, 0xffff_ffff_ffff_ffffn])
    expect(model.accesses).toEqual(['read32 0:16', 'read64 0:16'])
    expect(disturbance.hits[1]!.what).toBe('64 bits at 0x10 of BAR 0 is all ones')
    end()
  })

  it('takes no write', () => {
    const { registers, disturbance, end } = openDisturbed({ register: 'lost', byteOffset: 0x10, nth: 2 })
    registers.write32(0x10, 1)
    registers.write32(0x14, 2)
    registers.write32(0x10, 3)
    expect([registers.read32(0x10), registers.read32(0x14)]).toEqual([1, 2])
    expect(disturbance.hits[0]!.what).toBe('a write of 0x3 to 32 bits at 0x10 of BAR 0 is lost')
    end()
  })

  it('is one of a BAR', () => {
    const { registers, end } = openDisturbed([
      { register: 'ones', bar: 1 },
      { register: 'lost', bar: 1, byteOffset: 0 },
    ])
    registers.write32(0, 1)
    expect(registers.read32(0)).toBe(1)
    end()
  })
})
