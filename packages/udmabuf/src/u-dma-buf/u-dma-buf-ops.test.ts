import {
  allocateDmaMemory,
  createDmaRegion,
  DmaDevice,
  DmaDirection,
  dmaAllocCoherent,
  dmaBitMask,
  dmaMapSingle,
  dmaSetMaskAndCoherent,
  toNumber,
} from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { page, setUp } from '../../test-support/u-dma-buf-device'
import { openUDmaBuf } from './open-u-dma-buf'
import { uDmaBufOps } from './u-dma-buf-ops'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection

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

  it('does not take a driver that cannot be looked at for none', () => {
    const machine = createFakeMachine({ iommu: 'passthrough' })
    const { kernel } = machine
    machine.addUDmaBuf({ size: page })
    machine.addDevice(new EduDevice(), { address: '0000:00:04.0', driver: 'vfio-pci' })
    using buffer = openUDmaBuf('udmabuf0', { kernel })
    const device = new DmaDevice('0000:00:04.0', kernel, uDmaBufOps(buffer))
    machine.failCall({ syscall: 'readlink', code: 'EACCES' })
    expect(() => dmaMapSingle(device, buffer.bytes, ToDevice)).toThrow(
      expect.objectContaining({ code: 'EACCES', syscall: 'readlink' }),
    )
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
