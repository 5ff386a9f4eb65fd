import type { RegisterWindow } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { dmaAddress, toNumber } from '../vocabulary/address'
import { IoRegion } from './io-region'

/** A window that writes down each access, and reads back what was written. */
function recordingWindow(byteLength = 256): RegisterWindow & { accesses: string[] } {
  const accesses: string[] = []
  const cells = new Map<string, number>()
  const read = (width: number) => (at: number) => {
    accesses.push(`r${width} ${at}`)
    return cells.get(`${width} ${at}`) ?? 0
  }
  const write = (width: number) => (at: number, value: number) => {
    accesses.push(`w${width} ${at}=${value}`)
    cells.set(`${width} ${at}`, value)
  }
  const window: RegisterWindow & { accesses: string[] } = {
    accesses,
    byteLength,
    read8: read(8),
    read16: read(16),
    read32: read(32),
    read64: (at) => BigInt(read(64)(at)),
    write8: write(8),
    write16: write(16),
    write32: write(32),
    write64: (at, low, high) => write(64)(at, high * 2 ** 32 + low),
    bind: (at, width) => ({ read: () => read(width)(at), write: (value) => write(width)(at, value) }),
    get relaxed() {
      return window
    },
    close: () => accesses.push('close'),
  }
  return window
}

const clock = { now: () => 0, sleep: async () => {} }

describe('IoRegion', () => {
  it('makes one access of the width that is asked for', () => {
    const window = recordingWindow()
    const registers = new IoRegion(window, { name: 'BAR 0', clock })
    registers.write8(1, 255)
    registers.write16(2, 65535)
    registers.write32(4, 0xffff_ffff)
    registers.write64(8, 0x1_0000_0002n)
    registers.read8(1)
    registers.read16(2)
    registers.read32(4)
    expect(registers.read64(8)).toBe(0x1_0000_0002n)
    expect(window.accesses).toEqual([
      'w8 1=255',
      'w16 2=65535',
      'w32 4=4294967295',
      'w64 8=4294967298',
      'r8 1',
      'r16 2',
      'r32 4',
      'r64 8',
    ])
  })

  it('writes addresses whole, or by halves in the order that is asked for', () => {
    const window = recordingWindow()
    const registers = new IoRegion(window, { name: 'BAR 0', clock })
    const address = dmaAddress(0x12_3456_7890)
    registers.writeAddress(0x80, address)
    registers.writeAddressLowHigh(0x80, address)
    registers.writeAddressHighLow(0x80, address)
    expect(window.accesses).toEqual([
      `w64 128=${0x12_3456_7890}`,
      `w32 128=${0x3456_7890}`,
      `w32 132=${0x12}`,
      `w32 132=${0x12}`,
      `w32 128=${0x3456_7890}`,
    ])
    expect(toNumber(registers.readAddress(0x80))).toBe(0x12_3456_7890)
  })

  it('touches nothing where it refuses', () => {
    const window = recordingWindow()
    const registers = new IoRegion(window, { name: 'BAR 0', clock })
    for (const offset of [-1, 1, 254, 256, 0.5, Number.NaN]) {
      expect(() => registers.read32(offset)).toThrow(/DMA_RANGE/)
    }
    expect(() => registers.writeAddressHighLow(256, dmaAddress(0))).toThrow(/DMA_RANGE/)
    expect(() => registers.write8(0, 256)).toThrow(/DMA_VALUE_RANGE/)
    expect(() => registers.write16(0, -1)).toThrow(/DMA_VALUE_RANGE/)
    expect(window.accesses).toEqual([])
  })

  it('offsets its parts, and closes them without closing twice', () => {
    const window = recordingWindow()
    const registers = new IoRegion(window, { name: 'BAR 0', clock })
    const part = registers.subRegion(0x40, 0x40).subRegion(0x10, 0x10)
    part.register32(4).write(9)
    expect(window.accesses).toEqual(['w32 84=9'])
    expect(() => part.read32(0x10)).toThrow(/offsets are multiples of 4 from 0 to 0xc/)
    registers.close()
    expect(() => part.read32(0)).toThrow(/DMA_CLOSED/)
    expect(window.accesses.filter((access) => access === 'close')).toHaveLength(1)
  })
})
