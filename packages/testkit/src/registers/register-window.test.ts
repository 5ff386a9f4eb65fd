import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { PlainDevice } from '../fixtures/plain-device'
import { openByHand } from '../fixtures/raw-vfio'
import { createFakeMachine } from '../machine'
import type { AccessWidth } from '../models/device-model'

const config = 7 * 2 ** 40

class OnlyWords extends PlainDevice {
  override accepts(_bar: number, _byteOffset: number, width: AccessWidth): boolean {
    return width === 32
  }
}

function opened(device = new PlainDevice()) {
  const machine = createFakeMachine()
  machine.addDevice(device)
  const session = openByHand(machine, device.address)
  const window = machine.kernel.mapRegisters(session.device, { byteLength: 0x1000 })
  return { machine, kernel: machine.kernel, session, device, window }
}

describe('a register window', () => {
  it('makes each access in its own width, with the value unsigned', () => {
    const { device, window } = opened()
    window.write64(8, 0xffff_fffe, 0x8000_0001)
    window.write32(16, -1)
    window.write16(20, 0x1_8001)
    window.write8(22, 0x1ff)
    expect(window.read64(8)).toBe(0x8000_0001_ffff_fffen)
    expect([window.read32(16), window.read16(20), window.read8(22)]).toEqual([0xffff_ffff, 0x8001, 0xff])
    expect(device.accesses).toEqual([
      'write64 0:8',
      'write32 0:16',
      'write16 0:20',
      'write8 0:22',
      'read64 0:8',
      'read32 0:16',
      'read16 0:20',
      'read8 0:22',
    ])
  })

  it('binds single registers', () => {
    const { window, device } = opened()
    const register = window.bind(4, 16)
    register.write(0x1_2345)
    expect(register.read()).toBe(0x2345)
    expect(device.accesses).toEqual(['write16 0:4', 'read16 0:4'])
    window.close()
    expect(outcome(() => register.read())).toBe('DMA_CLOSED')
    expect(outcome(() => window.bind(4, 16))).toBe('DMA_CLOSED')
  })

  it('answers zeros to what is too narrow, ones to what is too wide, and loses such writes', () => {
    const device = new OnlyWords()
    const { window } = opened(device)
    device.memory.setUint32(0, 0x12345678, true)
    expect([window.read8(0), window.read16(0), window.read64(0)]).toEqual([0, 0, 0xffff_ffff_ffff_ffffn])
    window.write8(0, 1)
    window.write16(0, 1)
    window.write64(0, 1, 1)
    expect(window.read32(0)).toBe(0x12345678)
    expect(device.accesses).toEqual(['read32 0:0'])
  })

  it('shows a part of a BAR', () => {
    class Large extends PlainDevice {
      override readonly bars = [{ byteLength: 0x1000 }, { byteLength: 0x4000 }]
    }
    const { kernel, session, device } = opened(new Large())
    const part = kernel.mapRegisters(session.device, { byteLength: 8, position: 2 ** 40 + 0x2000 })
    device.memory.setUint32(0, 0)
    expect(part.byteLength).toBe(8)
    expect(outcome(() => part.read32(8))).toBe('DMA_RANGE')
    const beyond = { byteLength: 0x1000, position: 2 ** 40 + 0x4000 }
    expect(outcome(() => kernel.mapRegisters(session.device, beyond))).toBe('EINVAL')
    const long = { byteLength: 0x2001, position: 2 ** 40 + 0x2000 }
    expect(outcome(() => kernel.mapRegisters(session.device, long))).toBe('EINVAL')
    expect(outcome(() => kernel.mapRegisters(session.device, { byteLength: 4, position: config }))).toBe(
      'EINVAL',
    )
  })

  it('throws where the real one would end the process', () => {
    const { kernel, session, window } = opened()
    const readable = kernel.mapRegisters(session.device, { byteLength: 4096, access: 'read' })
    expect(readable.read32(0)).toBe(0)
    expect(outcome(() => readable.write32(0, 1))).toBe('DMA_READ_ONLY')
    expect(outcome(() => window.read32(0x1000))).toBe('DMA_RANGE')
    expect(outcome(() => window.read32(-4))).toBe('DMA_RANGE')
    expect(outcome(() => window.read32(2))).toBe('DMA_INVALID_ARGUMENT')
    kernel.write(session.device, new Uint8Array([0x04]), config + 4)
    expect(outcome(() => window.read32(0))).toBe('DMA_BUS_ERROR')
    expect(outcome(() => kernel.read(session.device, new Uint8Array(4), 0))).toBe('EIO')
  })

  it('has no memory that mmap could give', () => {
    const { kernel, session } = opened()
    expect(() => kernel.mmap(session.device, { byteLength: 4096 })).toThrow(
      expect.objectContaining({ code: 'ENODEV', hint: expect.stringContaining('mapRegisters') }),
    )
  })

  it('takes time, so that polling a register ends', () => {
    const { machine, device, window } = opened()
    device.later(1, () => device.memory.setUint32(0, 1, true))
    let reads = 0
    while (window.read32(0) === 0) reads++
    expect(reads).toBeGreaterThan(900)
    expect(machine.clock.now()).toBeCloseTo(1, 2)
  })

  it('is closed once', () => {
    const { kernel, window } = opened()
    const before = kernel.live().mappings
    window.close()
    window.close()
    expect(kernel.live().mappings).toBe(before - 1)
  })
})

describe('reading and writing regions', () => {
  it('uses the widest aligned accesses of 32 bits or fewer', () => {
    const { kernel, session, device } = opened()
    expect(kernel.write(session.device, new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]), 1)).toBe(8)
    expect(device.accesses).toEqual(['write8 0:1', 'write16 0:2', 'write32 0:4', 'write8 0:8'])
    const bytes = new Uint8Array(8)
    expect(kernel.read(session.device, bytes, 1)).toBe(8)
    expect([...bytes]).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('ends at the end of the region', () => {
    const { kernel, session } = opened()
    expect(kernel.read(session.device, new Uint8Array(8), 0xffc)).toBe(4)
    expect(outcome(() => kernel.read(session.device, new Uint8Array(8), 0x1000))).toBe('EINVAL')
    expect(outcome(() => kernel.read(session.device, new Uint8Array(1), 2 ** 40))).toBe('EINVAL')
    expect(outcome(() => kernel.read(session.device, new Uint8Array(4), config + 254))).toBe('EFAULT')
    expect(outcome(() => kernel.read(session.device, new Uint8Array(4), 9 * 2 ** 40))).toBe('EINVAL')
  })
})

describe('a device that was pulled out', () => {
  it('reads as ones everywhere and does nothing more', () => {
    const { machine, kernel, session, window, device } = opened()
    machine.removeDevice(device)
    expect([window.read8(0), window.read16(0), window.read32(0)]).toEqual([0xff, 0xffff, 0xffff_ffff])
    expect(window.read64(0)).toBe(0xffff_ffff_ffff_ffffn)
    window.write32(0, 1)
    const bytes = new Uint8Array(2)
    kernel.read(session.device, bytes, config)
    expect([...bytes]).toEqual([0xff, 0xff])
    expect(device.writeMemory(0, [1])).toBe(false)
    device.interrupt()
    device.line(true)
    expect(machine.faults).toEqual([])
    expect(device.accesses).toEqual([])
    expect(kernel.list('/sys/bus/pci/devices')).toEqual([])
    expect(kernel.list('/dev/vfio')).toEqual(['vfio'])
    window.close()
    for (const fd of [session.device, session.group, session.container]) kernel.close(fd)
    machine.assertQuiescent()
    expect(outcome(() => machine.removeDevice(device))).toBe('DMA_INVALID_ARGUMENT')
  })
})
