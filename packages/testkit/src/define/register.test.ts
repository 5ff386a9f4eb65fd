import { describe, expect, it } from 'vitest'
import { openDevice } from '../fixtures/opened-device'
import { outcome } from '../fixtures/outcome'
import { defineDevice } from './define-device'
import type { BarDescription } from './description'

const identity = { vendor: 0x1234, device: 0x0001 }

function withBar<const Bar extends BarDescription>(bar: Bar) {
  return openDevice(defineDevice({ name: 'test', identity, bars: [bar] })())
}

describe('an access kind', () => {
  it('says what writes and reads do', () => {
    const { registers, model } = withBar({
      byteLength: 64,
      registers: {
        rw: { offset: 0, width: 32, reset: 5 },
        ro: { offset: 4, width: 32, access: 'ro', reset: 6 },
        wo: { offset: 8, width: 32, access: 'wo', reset: 7 },
        w1c: { offset: 12, width: 32, access: 'w1c', reset: 0xff },
        w1s: { offset: 16, width: 32, access: 'w1s', reset: 0x0f },
        rc: { offset: 20, width: 32, access: 'rc', reset: 9 },
      },
    })
    const offsets = [0, 4, 8, 12, 16, 20]
    for (const offset of offsets) registers.write32(offset, 0x31)
    expect(offsets.map((offset) => registers.read32(offset))).toEqual([0x31, 6, 0, 0xce, 0x3f, 9])
    expect(registers.read32(20)).toBe(0)
    expect(model.registers.wo.value).toBe(0x31)
    model.registers.rc.value = 3
    expect([registers.read32(20), registers.read32(20)]).toEqual([3, 0])
  })

  it('can be that of a field, and bits outside all fields stay', () => {
    const { registers, model } = withBar({
      byteLength: 16,
      registers: {
        command: {
          offset: 0,
          width: 32,
          reset: 0xa000_0000,
          fields: {
            run: 0,
            size: [4, 7],
            running: { bits: 15, access: 'ro' },
            fault: { bits: [16, 17], access: 'w1c' },
            key: { bits: 20, access: 'wo' },
          },
        },
      },
    })
    const { fields } = model.registers.command
    fields.running = 1
    fields.fault = 3
    registers.write32(0, 0xfffd_ffff)
    expect(registers.read32(0)).toBe(0xa002_80f1)
    expect(fields).toEqual({ run: 1, size: 15, running: 1, fault: 2, key: 1 })
    fields.size = 0x13
    expect(fields.size).toBe(3)
  })
})

describe('the width', () => {
  const bar = {
    byteLength: 0x100,
    registers: {
      byte: { offset: 0, width: 8, reset: 1 },
      half: { offset: 2, width: 16, reset: 2 },
      word: { offset: 4, width: 32, reset: 3 },
      long: { offset: 8, width: 64, reset: 0x1122_3344_5566_7788n },
      any: { offset: 16, width: 32, accepts: [8, 16, 32], reset: 0x1234_5678 },
      whole: { offset: 24, width: 64, accepts: [64], reset: 7n },
    },
  } as const

  it('of an access has to be that of the register', () => {
    const { registers, machine } = withBar(bar)
    expect([registers.read8(0), registers.read16(2), registers.read32(4)]).toEqual([1, 2, 3])
    expect([registers.read16(0), registers.read32(0), registers.read64(0)]).toEqual([
      0xffff,
      0xffff_ffff,
      0xffff_ffff_ffff_ffffn,
    ])
    expect([registers.read8(4), registers.read16(4), registers.read32(24)]).toEqual([0, 0, 0])
    registers.write8(4, 9)
    expect(registers.read32(4)).toBe(3)
    expect(machine.log.map(({ message }) => message)).toContain(
      'test: 8-bit write at 0x4 of BAR 0: word is accessed in 32 bits',
    )
  })

  it('of 64 bits can be accessed by halves', () => {
    const { registers, model } = withBar(bar)
    expect([registers.read32(8), registers.read32(12)]).toEqual([0x5566_7788, 0x1122_3344])
    registers.write32(12, 0xaabb_ccdd)
    expect(model.registers.long.value).toBe(0xaabb_ccdd_5566_7788n)
    registers.write64(8, 1n)
    expect(registers.read64(8)).toBe(1n)
  })

  it('can be narrower where the register says so', () => {
    const { registers } = withBar(bar)
    expect([registers.read8(17), registers.read16(18)]).toEqual([0x56, 0x1234])
    registers.write8(16, 0xff)
    registers.write16(18, 0)
    expect(registers.read32(16)).toBe(0x56ff)
  })

  it('matters to ones that clear: what is not covered keeps its bits', () => {
    const { registers } = withBar({
      byteLength: 16,
      registers: {
        cause: { offset: 0, width: 32, access: 'w1c', accepts: [8, 32], reset: 0xffff_ffff },
        count: { offset: 4, width: 32, access: 'rc', accepts: [16, 32], reset: 0x1_0002 },
      },
    })
    registers.write8(1, 0xff)
    expect(registers.read32(0)).toBe(0xffff_00ff)
    expect([registers.read16(4), registers.read32(4)]).toEqual([2, 0x1_0000])
  })
})

describe('big-endian registers', () => {
  it('show their most significant byte first', () => {
    const { registers, model } = withBar({
      byteLength: 32,
      endian: 'big',
      registers: {
        word: { offset: 0, width: 32, reset: 0x1234_5678, accepts: [8, 32] },
        long: { offset: 8, width: 64, reset: 0x0102_0304_0506_0708n },
        little: { offset: 16, width: 16, endian: 'little', reset: 0x1234 },
      },
    })
    expect([registers.read32(0), registers.read8(0), registers.read8(3)]).toEqual([0x7856_3412, 0x12, 0x78])
    expect([registers.read32(8), registers.read64(8)]).toEqual([0x0403_0201, 0x0807_0605_0403_0201n])
    expect(registers.read16(16)).toBe(0x1234)
    registers.write32(0, 0x0100_0000)
    expect(model.registers.word.value).toBe(1)
    registers.write32(12, 0xff00_0000)
    expect(model.registers.long.value).toBe(0x0102_0304_0000_00ffn)
  })
})

describe('what is not a register', () => {
  it('reads as zeros or ones, and is logged once for each place', () => {
    const { registers, machine } = withBar({ byteLength: 64 })
    expect([registers.read32(8), registers.read32(8), registers.read64(0)]).toEqual([0, 0, 0n])
    registers.write16(10, 1)
    expect(machine.log.map(({ message }) => message)).toEqual([
      'test: 32-bit read at 0x8 of BAR 0: nothing is there',
      'test: 64-bit read at 0x0 of BAR 0: nothing is there',
      'test: 16-bit write at 0xa of BAR 0: nothing is there',
    ])
    const ones = withBar({ byteLength: 64, undescribed: 'ones' })
    expect(ones.registers.read16(8)).toBe(0xffff)
  })

  it('can be memory of the device', () => {
    const { registers, machine, model } = withBar({
      byteLength: 64,
      windows: { buffer: { offset: 16, byteLength: 12 }, rom: { offset: 32, byteLength: 8, access: 'ro' } },
    })
    registers.write32(16, 0x0403_0201)
    registers.write8(27, 9)
    expect([...model.windows.buffer]).toEqual([1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 9])
    expect(registers.read64(16)).toBe(0x0403_0201n)
    model.windows.rom[0] = 0x55
    registers.write8(32, 1)
    expect(registers.read8(32)).toBe(0x55)
    // The last four bytes of a 64-bit access are beyond the end.
    expect(registers.read64(24)).toBe(0n)
    expect(machine.log.map(({ message }) => message)).toEqual([
      'test: 8-bit write at 0x20 of BAR 0: the memory there cannot be written',
      'test: 64-bit read at 0x18 of BAR 0: nothing is there',
    ])
  })
})

describe('the device’s side', () => {
  it('has values without access kinds, cut to the width', () => {
    const device = defineDevice({
      name: 'test',
      identity,
      bars: [
        {
          byteLength: 16,
          registers: { a: { offset: 0, width: 16, access: 'ro' }, b: { offset: 8, width: 64 } },
        },
      ],
    })()
    device.registers.a.value = -1
    device.registers.b.value = 2 ** 40
    expect([device.registers.a.value, device.registers.b.value]).toEqual([0xffff, 2n ** 40n])
    expect(outcome(() => (device.registers.a.value = 0.5))).toBe('DMA_INVALID_ARGUMENT')
    expect(outcome(() => (device.registers.a.value = Number.NaN))).toBe('DMA_INVALID_ARGUMENT')
  })
})
