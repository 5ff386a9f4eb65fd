import {
  createDmaRegion,
  DmaDevice,
  DmaDirection,
  dmaAllocCoherent,
  dmaAllocNoncoherent,
  dmaMapSingle,
  dmaPoolCreate,
  toNumber,
} from '@linux-dma/core'
import { describe, expect, it } from 'vitest'
import { page, setUp } from '../../test-support/u-dma-buf-device'
import { openUDmaBuf } from './open-u-dma-buf'
import { uDmaBufOps } from './u-dma-buf-ops'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection

describe('what is in dma-bufs', () => {
  const inUse = (hint: RegExp) =>
    expect.objectContaining({ code: 'DMA_IN_USE', hint: expect.stringMatching(hint) })

  it('is not allocated, until the last of them is closed', () => {
    const { machine, buffer, device } = setUp()
    const all = buffer.exportDmaBuf()
    const copy = all.duplicate()
    for (const open of [all, copy]) {
      expect(() => dmaAllocCoherent(device, page)).toThrow(inUse(/duplicates/))
      expect(buffer.pages.free).toBe(0)
      open.close()
      open.close()
    }
    using ring = dmaAllocCoherent(device, page)
    expect(buffer.pages.free).toBe(15)
    ring.free()
    device.close()
    buffer.close()
    machine.assertQuiescent()
  })

  it('leaves the rest to allocations', () => {
    const { buffer, device, hardware } = setUp()
    using last = buffer.exportDmaBuf({ offset: 15 * page })
    using middle = buffer.exportDmaBuf({ offset: 7 * page, size: page })
    last.cpuAccess('write', (bytes) => bytes.fill(0xaa))
    using ring = dmaAllocCoherent(device, 7 * page)
    expect(toNumber(ring.dmaAddress)).toBe(hardware.dmaAddress + 8 * page)
    ring.bytes.fill(0x11)
    expect(last.cpuAccess('read', (bytes) => bytes.every((byte) => byte === 0xaa))).toBe(true)
    expect(() => dmaAllocCoherent(device, 8 * page)).toThrow(inUse(/close/))
    expect(() => dmaAllocCoherent(device, 9 * page)).toThrow(
      expect.objectContaining({ code: 'ENOMEM', message: expect.stringContaining('7 of its 16') }),
    )
    expect(middle.size).toBe(page)
  })

  it('is nothing that an allocation has', () => {
    const { machine, kernel, buffer, device } = setUp()
    const ring = dmaAllocCoherent(device, page)
    const before = kernel.live()
    machine.failCall({ syscall: 'ioctl(U_DMA_BUF_IOCTL_EXPORT)', code: 'EIO' })
    for (const range of [{}, { offset: 15 * page }, { offset: 14 * page, size: 2 * page }]) {
      expect(() => buffer.exportDmaBuf(range)).toThrow(inUse(/in front of them/))
    }
    expect(kernel.live()).toEqual(before)
    expect(() => buffer.exportDmaBuf({ size: 15 * page })).toThrow(expect.objectContaining({ code: 'EIO' }))
    using rest = buffer.exportDmaBuf({ size: 15 * page })
    ring.free()
    using freed = buffer.exportDmaBuf({ offset: 15 * page })
    expect(rest.size + freed.size).toBe(16 * page)
  })

  it('may be mapped for devices: that is how it is filled', () => {
    const { buffer, device } = setUp()
    using mapping = dmaMapSingle(device, buffer.bytes, FromDevice)
    using frame = buffer.exportDmaBuf()
    mapping.unmap()
    using again = dmaMapSingle(device, buffer.bytes.subarray(0, 8), FromDevice)
    expect([frame.size, again.byteLength]).toEqual([16 * page, 8])
  })

  it('counts for all that have the buffer open, also once what it was made by is closed', () => {
    const { kernel, buffer } = setUp()
    const frame = buffer.exportDmaBuf()
    using second = openUDmaBuf('udmabuf0', { kernel })
    buffer.close()
    const device = new DmaDevice('core1', kernel, uDmaBufOps(second))
    expect(() => dmaAllocCoherent(device, page)).toThrow(inUse(/close/))
    frame.close()
    using ring = dmaAllocCoherent(device, page)
    using third = openUDmaBuf('udmabuf0', { kernel })
    expect(() => third.exportDmaBuf()).toThrow(inUse(/in front/))
    expect(ring.byteLength).toBe(page)
  })

  it('has smaller pools beside it', () => {
    const { buffer, device } = setUp({ size: 17 * page })
    using frame = buffer.exportDmaBuf({ size: 15 * page })
    using pool = dmaPoolCreate('rings', device, 64, 64)
    pool.get()
    expect(buffer.pages.free).toBe(1)
    expect(frame.size).toBe(15 * page)
  })
})

describe('a buffer that is not coherent', () => {
  it('is synced at each hand-over', () => {
    const { buffer, device, hardware } = setUp({ dmaCoherent: false })
    const view = buffer.bytes.subarray(0, 64)
    view.fill(1)
    const out = dmaMapSingle(device, view, ToDevice)
    expect(hardware.bytes[63]).toBe(1)
    out.unmap()
    const back = dmaMapSingle(device, view, FromDevice)
    hardware.bytes.fill(2, 0, 64)
    expect(view[0]).toBe(1)
    expect(back.syncForCpu()[0]).toBe(2)
    back.syncForDevice()
    hardware.bytes.fill(3, 0, 64)
    back.unmap()
    expect(view[63]).toBe(3)
  })

  it('has no coherent memory, unless it is opened past the caches', () => {
    const { buffer, device, machine } = setUp({ dmaCoherent: false })
    expect(() => dmaAllocCoherent(device, page)).toThrow(
      expect.objectContaining({ code: 'DMA_NOT_COHERENT' }),
    )
    using memory = dmaAllocNoncoherent(device, page, Bidirectional)
    memory.bytes[0] = 1
    memory.syncForDevice()
    expect(machine.kernel.live().descriptors).toBe(2)
    buffer.close()
    const past = setUp({ dmaCoherent: false }, { cached: false })
    using ring = dmaAllocCoherent(past.device, page)
    ring.bytes[0] = 5
    expect(past.hardware.bytes[15 * page]).toBe(5)
  })

  it('is synced up to its end, in a last page that it has a part of', () => {
    const { buffer, device, hardware } = setUp({ size: 5000, dmaCoherent: false })
    buffer.bytes.fill(1)
    using region = createDmaRegion(device, { memory: buffer.memory })
    const handle = region.mapSingle(0, 2 * page, ToDevice)
    expect(hardware.bytes[4999]).toBe(1)
    region.unmapSingle(handle)
  })
})
