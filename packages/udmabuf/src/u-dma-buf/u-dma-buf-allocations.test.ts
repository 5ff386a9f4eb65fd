import {
  allocateDmaMemory,
  bounceOps,
  bouncePoolOf,
  createDmaRegion,
  DmaDirection,
  dmaAllocCoherent,
  dmaAllocNoncoherent,
  dmaMapSingle,
  dmaMmapCoherent,
  dmaPoolCreate,
  setDmaOps,
  toNumber,
} from '@linux-dma/core'
import { describe, expect, it } from 'vitest'
import { page, Restless, setUp } from '../../test-support/u-dma-buf-device'
import { uDmaBufOps } from './u-dma-buf-ops'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection

describe('allocating from the buffer', () => {
  it('takes zeroed pages from its end, and gives them back', () => {
    const { machine, buffer, device, hardware } = setUp()
    buffer.bytes.fill(0xff)
    const ring = dmaAllocCoherent(device, 100)
    expect([ring.origin, toNumber(ring.dmaAddress)]).toEqual(['u-dma-buf', hardware.dmaAddress + 15 * page])
    expect(ring.bytes).toEqual(new Uint8Array(100))
    ring.bytes[0] = 3
    expect(hardware.bytes[15 * page]).toBe(3)
    const region = createDmaRegion(device, { byteLength: 2 * page })
    expect(toNumber(region.dmaAddress)).toBe(hardware.dmaAddress + 13 * page)
    ring.free()
    using again = dmaAllocCoherent(device, page)
    expect(toNumber(again.dmaAddress)).toBe(hardware.dmaAddress + 15 * page)
    region.close()
    expect(buffer.pages.free).toBe(15)
    device.close()
    expect(buffer.pages.free).toBe(16)
    buffer.close()
    machine.assertQuiescent()
  })

  it('makes memory of its own, which can be mapped once more and for other devices', () => {
    const { buffer, device, deviceWith, hardware } = setUp()
    using ring = dmaAllocCoherent(device, 2 * page)
    ring.bytes[page] = 9
    using window = dmaMmapCoherent(device, ring, { pageOffset: 1 })
    expect(window.bytes[0]).toBe(9)
    const other = deviceWith(uDmaBufOps(buffer))
    using shared = createDmaRegion(other, { memory: ring.memory })
    expect(toNumber(shared.dmaAddress)).toBe(hardware.dmaAddress + 14 * page)
    expect(buffer.pages.free).toBe(14)
  })

  it('keeps what is mapped and what is allocated apart', () => {
    const { buffer, device } = setUp()
    using ring = dmaAllocCoherent(device, page)
    expect(() => dmaMapSingle(device, buffer.bytes.subarray(15 * page - 1), ToDevice)).toThrow(
      expect.objectContaining({ code: 'DMA_IN_USE', message: expect.stringContaining('61440') }),
    )
    expect(() => createDmaRegion(device, { memory: buffer.memory })).toThrow(
      expect.objectContaining({ code: 'DMA_IN_USE' }),
    )
    using mapping = dmaMapSingle(device, buffer.bytes.subarray(10 * page, 15 * page), ToDevice)
    expect(() => dmaAllocCoherent(device, 11 * page)).toThrow(
      expect.objectContaining({ code: 'ENOMEM', message: expect.stringContaining('10 of its 16') }),
    )
    using rest = dmaAllocCoherent(device, 10 * page)
    expect(rest.byteLength + mapping.byteLength + ring.byteLength).toBe(16 * page)
  })

  it('serves pools, and memory that is handed over', () => {
    const { buffer, device } = setUp({ size: 64 * page })
    using pool = dmaPoolCreate('rings', device, 64, 64)
    const block = pool.get()
    expect(toNumber(pool.addressOf(block)) % 64).toBe(0)
    pool.put(block)
    using memory = dmaAllocNoncoherent(device, page, FromDevice)
    expect(memory.bytes).toEqual(new Uint8Array(page))
    expect(buffer.pages.free).toBeLessThan(63)
  })

  it.each(['ioctl(U_DMA_BUF_IOCTL_EXPORT)', 'mmap'])('leaves all as it was where %s fails', (syscall) => {
    const { machine, kernel, buffer, device } = setUp()
    const before = kernel.live()
    machine.failCall({ syscall, code: 'EMFILE' })
    expect(() => dmaAllocCoherent(device, page)).toThrow(expect.objectContaining({ code: 'EMFILE' }))
    expect(kernel.live()).toEqual(before)
    expect(buffer.pages.free).toBe(16)
  })

  it('does not go on with pages that a device may still write to', () => {
    const { machine, kernel, buffer } = setUp()
    const device = new Restless('core0', kernel, uDmaBufOps(buffer))
    dmaAllocCoherent(device, page)
    device.close()
    expect(machine.warnings).toContainEqual(expect.objectContaining({ code: 'DMA_NOT_QUIET' }))
    expect([buffer.pages.free, buffer.closed]).toEqual([15, false])
    using next = dmaAllocCoherent(new Restless('core1', kernel, uDmaBufOps(buffer)), page)
    expect(toNumber(next.dmaAddress)).toBe(toNumber(buffer.dmaAddress) + 14 * page)
    // Who frees says that the device is done with it.
    next.free()
    expect(buffer.pages.free).toBe(15)
  })

  it('ends with the buffer', () => {
    const { machine, buffer, device } = setUp()
    const ring = dmaAllocCoherent(device, page)
    const mapping = dmaMapSingle(device, buffer.bytes.subarray(0, 8), ToDevice)
    buffer.close()
    expect([ring.freed, mapping.mapped]).toEqual([true, false])
    expect(() => dmaAllocCoherent(device, page)).toThrow(expect.objectContaining({ code: 'DMA_CLOSED' }))
    device.close()
    machine.assertQuiescent()
  })

  it('says which driver can', () => {
    const { device } = setUp({ ioctlVersion: 1, driverVersion: '4.7.3' })
    expect(() => dmaAllocCoherent(device, page)).toThrow(/4\.7\.3, exports no dma-bufs/)
  })
})

describe('slots in the buffer', () => {
  it('bring any bytes to the device', () => {
    const { machine, kernel, buffer, hardware, device } = setUp({ size: 128 * page })
    setDmaOps(device, bounceOps(device.ops, { byteLength: 0x4_0000 }))
    using memory = allocateDmaMemory({ byteLength: page, kernel })
    const bytes = [1, 2, 3, 4]
    for (const source of [Uint8Array.from(bytes), memory.bytes.subarray(0, 4)]) {
      source.set(bytes)
      const mapping = dmaMapSingle(device, source, Bidirectional)
      const at = toNumber(mapping.dmaAddress) - hardware.dmaAddress
      expect(at).toBeGreaterThanOrEqual(64 * page)
      expect([...hardware.bytes.slice(at, at + 4)]).toEqual(bytes)
      hardware.bytes.fill(7, at, at + 4)
      mapping.unmap()
      expect([...source]).toEqual([7, 7, 7, 7])
    }
    expect(bouncePoolOf(device)?.usedSlots).toBe(0)
    using inPlace = dmaMapSingle(device, buffer.bytes.subarray(0, 8), ToDevice)
    expect(toNumber(inPlace.dmaAddress)).toBe(hardware.dmaAddress)
    inPlace.unmap()
    device.close()
    memory.close()
    buffer.close()
    machine.assertQuiescent()
  })

  it('are synced where the buffer is not coherent', () => {
    const { device, hardware } = setUp({ size: 128 * page, dmaCoherent: false })
    setDmaOps(device, bounceOps(device.ops, { byteLength: 0x4_0000 }))
    const source = Uint8Array.of(1, 2, 3)
    const mapping = dmaMapSingle(device, source, Bidirectional)
    const at = toNumber(mapping.dmaAddress) - hardware.dmaAddress
    expect([...hardware.bytes.slice(at, at + 3)]).toEqual([1, 2, 3])
    hardware.bytes[at] = 9
    mapping.unmap()
    expect([...source]).toEqual([9, 2, 3])
  })

  it('have to fit', () => {
    const { device } = setUp()
    setDmaOps(device, bounceOps(device.ops))
    expect(() => dmaMapSingle(device, new Uint8Array(4), ToDevice)).toThrow(
      expect.objectContaining({ code: 'ENOMEM', hint: expect.stringContaining('byteLength') }),
    )
  })
})
