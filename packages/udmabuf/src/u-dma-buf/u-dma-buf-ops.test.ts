import {
  allocateDmaMemory,
  bounceOps,
  bouncePoolOf,
  createDmaRegion,
  DmaDevice,
  DmaDirection,
  type DmaOps,
  dmaAllocCoherent,
  dmaAllocNoncoherent,
  dmaBitMask,
  dmaMapSingle,
  dmaMmapCoherent,
  dmaPoolCreate,
  dmaSetMaskAndCoherent,
  setDmaOps,
  toNumber,
} from '@linux-dma/core'
import { createFakeMachine, EduDevice, type UDmaBufParameters } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { openUDmaBuf, type UDmaBufOptions } from './open-u-dma-buf'
import { uDmaBufOps } from './u-dma-buf-ops'

const page = 4096
const { ToDevice, FromDevice, Bidirectional } = DmaDirection

/** A device that nothing proves at rest once it is closed, as one that has no switch for its bus mastering. */
class Restless extends DmaDevice {
  protected override whyNotQuiet(): string {
    return 'nothing stops it'
  }
}

function setUp(parameters: Partial<UDmaBufParameters> = {}, options: UDmaBufOptions = {}) {
  const machine = createFakeMachine({ iommu: 'off' })
  const { kernel } = machine
  const hardware = machine.addUDmaBuf({ size: 16 * page, dmaMaskBits: 28, ...parameters })
  const buffer = openUDmaBuf('udmabuf0', { kernel, ...options })
  const deviceWith = (ops: DmaOps) => new DmaDevice('core0', kernel, ops)
  return { machine, kernel, hardware, buffer, deviceWith, device: deviceWith(uDmaBufOps(buffer)) }
}

describe('mapping views of the buffer', () => {
  it('is arithmetic, in place', () => {
    const { machine, buffer, device, hardware } = setUp()
    using mapping = dmaMapSingle(device, buffer.bytes.subarray(page + 100, page + 300), ToDevice)
    expect(toNumber(mapping.dmaAddress)).toBe(hardware.dmaAddress + page + 100)
    using other = dmaMapSingle(device, buffer.bytes.subarray(page + 300, page + 400), FromDevice)
    expect(toNumber(other.dmaAddress)).toBe(hardware.dmaAddress + page + 300)
    mapping.unmap()
    other.unmap()
    device.close()
    buffer.close()
    machine.assertQuiescent()
  })

  it('takes views of a dma-buf of it, too', () => {
    const { buffer, device, hardware } = setUp()
    using part = buffer.exportDmaBuf({ offset: 2 * page, size: page })
    using view = part.map()
    using mapping = dmaMapSingle(device, view.bytes.subarray(8, 16), Bidirectional)
    expect(toNumber(mapping.dmaAddress)).toBe(hardware.dmaAddress + 2 * page + 8)
  })

  it('takes all of it as a region', () => {
    const { buffer, device, hardware } = setUp()
    using region = createDmaRegion(device, { memory: buffer.memory })
    const handle = region.mapSingle(5 * page, 64, ToDevice)
    expect(toNumber(region.addressOf(handle))).toBe(hardware.dmaAddress + 5 * page)
    expect(toNumber(buffer.memory.dmaAddressFor(device))).toBe(hardware.dmaAddress)
  })

  it('gives one buffer to several devices', () => {
    const { buffer, device, deviceWith } = setUp()
    const other = deviceWith(uDmaBufOps(buffer))
    const view = buffer.bytes.subarray(0, 64)
    using mine = dmaMapSingle(device, view, ToDevice)
    using theirs = dmaMapSingle(other, view, FromDevice)
    expect(mine.dmaAddress).toBe(theirs.dmaAddress)
    // One counts the pages of both.
    using ring = dmaAllocCoherent(device, page)
    using second = dmaAllocCoherent(other, page)
    expect(ring.dmaAddress).not.toBe(second.dmaAddress)
  })

  it('refuses memory that is none of it', () => {
    const { kernel, device } = setUp()
    using memory = allocateDmaMemory({ byteLength: page, kernel })
    const refused = expect.objectContaining({
      code: 'DMA_NOT_IN_BUFFER',
      hint: expect.stringContaining('bounceOps'),
    })
    expect(() => dmaMapSingle(device, memory.bytes, ToDevice)).toThrow(refused)
    expect(() => createDmaRegion(device, { memory })).toThrow(refused)
    expect(() => dmaMapSingle(device, new Uint8Array(8), ToDevice)).toThrow(
      expect.objectContaining({ code: 'DMA_NOT_DMA_MEMORY' }),
    )
  })

  it('refuses what lies above the mask', () => {
    const { buffer, device } = setUp()
    const refused = expect.objectContaining({
      code: 'DMA_ABOVE_MASK',
      hint: expect.stringContaining('dma_mask_bit=25'),
    })
    dmaSetMaskAndCoherent(device, dmaBitMask(28))
    device.setMasks({ streaming: dmaBitMask(25), coherent: dmaBitMask(25) })
    expect(() => dmaMapSingle(device, buffer.bytes, ToDevice)).toThrow(refused)
    expect(() => dmaAllocCoherent(device, page)).toThrow(refused)
    expect(() => dmaSetMaskAndCoherent(device, dmaBitMask(20))).toThrow(
      expect.objectContaining({ code: 'EIO' }),
    )
  })
})

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

describe('devices that it is of no use to', () => {
  it.each([
    ['on', 'uio_pci_generic', 'DMA_TRANSLATED'],
    ['on', 'vfio-pci', 'DMA_TRANSLATED'],
    ['passthrough', 'vfio-pci', 'DMA_TRANSLATED'],
    ['passthrough', 'uio_pci_generic', undefined],
    ['off', 'uio_pci_generic', undefined],
  ] as const)('with the IOMMU %s and %s: %s', (iommu, driver, code) => {
    const machine = createFakeMachine({ iommu })
    const { kernel } = machine
    machine.addUDmaBuf({ size: page })
    machine.addDevice(new EduDevice(), { address: '0000:00:04.0', driver })
    using buffer = openUDmaBuf('udmabuf0', { kernel })
    const device = new DmaDevice('0000:00:04.0', kernel, uDmaBufOps(buffer))
    const map = () => dmaMapSingle(device, buffer.bytes, ToDevice).unmap()
    if (code === undefined) map()
    else expect(map).toThrow(expect.objectContaining({ code }))
  })

  it('looks where sysfs has a device that is none of PCI, when told where', () => {
    const machine = createFakeMachine()
    machine.addUDmaBuf({ size: page })
    machine.addPlatformDevice(new EduDevice(), { name: 'edu.0' })
    using buffer = openUDmaBuf('udmabuf0', { kernel: machine.kernel })
    expect(() => uDmaBufOps(buffer, { devicePath: '/sys/devices/platform/edu.0' })).toThrow(
      expect.objectContaining({ code: 'DMA_TRANSLATED' }),
    )
  })

  it('refuses a device of another kernel, and what is no buffer', () => {
    const { buffer } = setUp()
    const other = new DmaDevice('core0', createFakeMachine().kernel, uDmaBufOps(buffer))
    expect(() => createDmaRegion(other, { byteLength: page })).toThrow(
      expect.objectContaining({ code: 'DMA_WRONG_KERNEL' }),
    )
    expect(() => uDmaBufOps({} as never)).toThrow(expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' }))
  })
})
