import { createFakeMachine } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { DmaDevice } from '../device/dma-device'
import { dmaBitMask, dmaSetMaskAndCoherent } from '../device/masks'
import { allocateDmaMemory } from '../memory/allocate-memory'
import { physicalAddressAt } from '../memory/physical'
import { DmaDirection } from '../vocabulary/direction'
import { createDmaRegion } from './create-region'
import { directOps } from './direct-ops'
import { dmaMapSingle } from './streaming'

const PAGE = 4096

function machineWithDevice(options: Parameters<typeof createFakeMachine>[0] = {}) {
  const machine = createFakeMachine({ iommu: 'off', ...options })
  const { kernel } = machine
  const device = new DmaDevice('bare', kernel, directOps({ unsafePhysical: true, kernel }))
  dmaSetMaskAndCoherent(device, dmaBitMask(64))
  return { machine, kernel, device }
}

describe('directOps', () => {
  it('keeps the pins of mappings that are alike apart', () => {
    const { machine, kernel, device } = machineWithDevice()
    using memory = allocateDmaMemory({ byteLength: PAGE, kernel })
    const mappings = Array.from({ length: 5 }, () =>
      dmaMapSingle(device, memory.bytes, DmaDirection.ToDevice),
    )
    for (const mapping of mappings) {
      expect(memory.isPinned()).toBe(true)
      mapping.unmap()
    }
    expect(memory.isPinned()).toBe(false)
    memory.close()
    machine.assertQuiescent()
  })

  it('gives back what it pinned where the frames are not told', () => {
    const { machine, kernel, device } = machineWithDevice({ uid: 1000 })
    const memory = allocateDmaMemory({ byteLength: PAGE, kernel })
    expect(() => dmaMapSingle(device, memory.bytes, DmaDirection.ToDevice)).toThrow('DMA_NO_FRAME')
    expect(memory.regions.size).toBe(0)
    memory.close()
    machine.assertQuiescent()
  })

  it('takes huge pages as they are, without a pin', () => {
    const { machine, kernel, device } = machineWithDevice({ hugePages: 2 })
    kernel.writeText('/proc/sys/kernel/io_uring_disabled', '2')
    const byteLength = 0x40_0000
    const region = createDmaRegion(device, { byteLength, hugePageSize: 0x20_0000 })
    expect(region.addressAt(PAGE + 5, 1)).toBe(physicalAddressAt(region.memory, PAGE + 5))
    device.close()
    machine.assertQuiescent()
  })

  it('quarantines memory that it could not let go', () => {
    const { machine, kernel, device } = machineWithDevice()
    const memory = allocateDmaMemory({ byteLength: PAGE, kernel })
    const mapping = dmaMapSingle(device, memory.bytes, DmaDirection.ToDevice)
    machine.failCall({ syscall: 'close', nth: 1, code: 'EIO' })
    expect(() => mapping.unmap()).toThrow('EIO')
    expect(memory.quarantined).toBe(true)
  })

  it('tells that the device gets physical addresses', () => {
    const { device } = machineWithDevice()
    expect(device.ops).toMatchObject({ name: 'direct', physical: true, pins: true, coherent: true })
    expect(device.ops.iommu).toBeUndefined()
  })
})
