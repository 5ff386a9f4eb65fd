import { describe, expect, it } from 'vitest'
import { thrownBy } from '../test-support/errors'
import { loadAddon } from './addon'
import { createLinuxKernel, linuxKernel } from './linux-kernel'
import type { RegisterWindow } from './register-window'

const PAGE = linuxKernel().pageSize

// A memfd stands in for a device: what was read and written is seen through a second mapping.
describe.each([
  ['typed arrays', createLinuxKernel(loadAddon(), { orderedRegisters: false })],
  ['native accessors', createLinuxKernel(loadAddon(), { orderedRegisters: true })],
])('registers by %s', (_, kernel) => {
  function withWindow(use: (window: RegisterWindow, memory: Uint8Array) => void, byteLength = PAGE): void {
    const before = kernel.live()
    const fd = kernel.memfd('registers', { byteLength })
    const memory = kernel.mmap(fd, { byteLength })
    const window = kernel.mapRegisters(fd, { byteLength })
    kernel.close(fd)
    use(window, memory.bytes)
    window.close()
    memory.close()
    expect(kernel.live()).toEqual(before)
  }

  it('reads and writes each width in place', () => {
    withWindow((window, memory) => {
      window.write8(1, 0x1ff)
      window.write16(2, 0x12345)
      window.write32(4, 0x89abcdef)
      window.write64(8, 0x89abcdef, 0x01234567)
      expect(Buffer.from(memory.subarray(0, 16)).toString('hex')).toBe('00ff4523efcdab89efcdab8967452301')
      expect(window.read8(7)).toBe(0x89)
      expect(window.read16(4)).toBe(0xcdef)
      expect(window.read32(4)).toBe(0x89abcdef)
      expect(window.read64(8)).toBe(0x0123456789abcdefn)
      window.write32(PAGE - 4, -1)
      expect(window.read32(PAGE - 4)).toBe(0xffffffff)
    })
  })

  it('binds single registers', () => {
    withWindow((window, memory) => {
      const [byte, half, word] = [window.bind(5, 8), window.bind(6, 16), window.bind(8, 32)]
      byte.write(0x101)
      half.write(0xfffe)
      word.write(0xdeadbeef)
      expect([byte.read(), half.read(), word.read()]).toEqual([1, 0xfffe, 0xdeadbeef])
      expect([memory[5], memory[6], memory[11]]).toEqual([1, 0xfe, 0xde])
      memory.fill(0)
      expect([byte.read(), half.read(), word.read()]).toEqual([0, 0, 0])
    })
  })

  it('says where the registers are', () => {
    withWindow((window) => {
      window.write32(0, 1)
      expect([window.address! % PAGE, window.relaxed.address]).toEqual([0, window.address])
      const entries = new BigUint64Array(1)
      expect(kernel.readPagemap(window.address!, entries)).toBe(1)
      expect(entries[0]! >> 63n).toBe(1n)
    })
  })

  it('has a relaxed window on the same registers', () => {
    withWindow((window) => {
      window.relaxed.write32(16, 77)
      expect([window.read32(16), window.relaxed.read64(16)]).toEqual([77, 77n])
      expect(window.relaxed.relaxed).toBe(window.relaxed)
      expect(window.relaxed.byteLength).toBe(window.byteLength)
    })
  })

  it('refuses everything once it is closed, bound accessors too', () => {
    withWindow((window) => {
      const bound = ([8, 16, 32] as const).map((width) => window.bind(0, width))
      const relaxed = window.relaxed.bind(0, 32)
      window.close()
      window.close()
      const calls = [
        () => window.read8(0),
        () => window.read16(0),
        () => window.read32(0),
        () => window.read64(0),
        () => window.write8(0, 1),
        () => window.write16(0, 1),
        () => window.write32(0, 1),
        () => window.write64(0, 1, 1),
        () => window.bind(0, 32),
        () => relaxed.read(),
        () => relaxed.write(1),
        ...bound.flatMap((register) => [() => register.read(), () => register.write(1)]),
      ]
      for (const call of calls) expect(thrownBy(call)).toMatchObject({ name: 'DmaError', code: 'DMA_CLOSED' })
    })
  })

  it('is readable only, where it was mapped so: a store would end the process', () => {
    const fd = kernel.memfd('status', { byteLength: PAGE })
    const window = kernel.mapRegisters(fd, { byteLength: PAGE, access: 'read' })
    expect(window.read32(0)).toBe(0)
    const calls = [
      () => window.write8(0, 1),
      () => window.write16(0, 1),
      () => window.write32(0, 1),
      () => window.write64(0, 1, 0),
      () => window.relaxed.write32(0, 1),
      ...([8, 16, 32] as const).map((width) => () => window.bind(0, width).write(1)),
    ]
    for (const call of calls) expect(thrownBy(call).code).toBe('DMA_READ_ONLY')
    window.close()
    kernel.close(fd)
  })

  it('never reaches past its end, and never splits a 64-bit register', () => {
    withWindow((window) => {
      for (const byteOffset of [-8, 4, PAGE - 4, PAGE, 2 ** 40, NaN, 0.5]) {
        expect(thrownBy(() => window.read64(byteOffset)).code).toBe('DMA_INVALID_ARGUMENT')
        expect(thrownBy(() => window.write64(byteOffset, 0, 0)).code).toBe('DMA_INVALID_ARGUMENT')
      }
      for (const half of [-1, 2 ** 32, 0.5, NaN, 1n]) {
        expect(thrownBy(() => window.write64(0, half as number, 0)).code).toBe('DMA_INVALID_ARGUMENT')
      }
      expect(thrownBy(() => window.read32(PAGE)).name).toBe('DmaError')
      expect(thrownBy(() => window.bind(PAGE, 32).read()).name).toBe('DmaError')
    })
  })

  it('has a length of any number of bytes', () => {
    withWindow((window) => {
      window.write8(6, 9)
      expect([window.byteLength, window.read8(6), window.read16(4), window.read32(0)]).toEqual([7, 9, 0, 0])
    }, 7)
  })

  it('has at most as many bytes as its offsets can name', () => {
    const fd = kernel.memfd('large', { byteLength: 2 ** 33 })
    const before = kernel.live()
    const error = thrownBy(() => kernel.mapRegisters(fd, { byteLength: 2 ** 32 + 1 }))
    expect(error).toMatchObject({ code: 'DMA_TOO_LARGE' })
    expect(error.hint).toContain('in parts')
    expect(kernel.live()).toEqual(before)
    kernel.close(fd)
  })

  it('shows no buffer', () => {
    withWindow((window) => {
      for (let object: object = window; object !== Object.prototype; object = Object.getPrototypeOf(object)) {
        for (const name of Object.getOwnPropertyNames(object)) {
          if (name === 'relaxed') continue
          const value = (window as unknown as Record<string, unknown>)[name]
          expect(ArrayBuffer.isView(value) || value instanceof ArrayBuffer).toBe(false)
        }
      }
    })
  })
})
