import { describe, expect, it } from 'vitest'
import { machineWithDevice, PAGE } from '../../test-support/direct-device'
import { allocateDmaMemory } from '../memory/allocate-memory'
import { physicalAddressAt } from '../memory/physical'
import { exportDmaMemory, importDmaMemory } from '../memory/share-memory'
import { DmaDirection } from '../vocabulary/direction'
import { createDmaRegion } from './create-region'
import { dmaMapSingle } from './streaming'

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

  it('pins huge pages whole, where that is allowed', () => {
    const { machine, kernel, device } = machineWithDevice({ hugePages: 2 })
    const memory = allocateDmaMemory({ byteLength: 0x40_0000, hugePageSize: 0x20_0000, kernel })
    const before = kernel.live().descriptors
    const parts = [5, PAGE, 0x1f_ffff].map((start) =>
      dmaMapSingle(device, memory.bytes.subarray(start, start + 1), DmaDirection.ToDevice),
    )
    expect(kernel.live().descriptors).toBe(before + 1)
    const other = dmaMapSingle(device, memory.bytes.subarray(0x20_0000), DmaDirection.ToDevice)
    expect(kernel.live().descriptors).toBe(before + 2)
    for (const mapping of [...parts, other]) mapping.unmap()
    expect(kernel.live().descriptors).toBe(before)
    memory.close()
    machine.assertQuiescent()
  })

  it('takes huge pages as they are, where they may not be pinned', () => {
    const { machine, kernel, device } = machineWithDevice({ hugePages: 2 })
    kernel.writeText('/proc/sys/kernel/io_uring_disabled', '2')
    const byteLength = 0x40_0000
    const region = createDmaRegion(device, { byteLength, hugePageSize: 0x20_0000 })
    expect(region.addressAt(PAGE + 5, 1)).toBe(physicalAddressAt(region.memory, PAGE + 5))
    device.close()
    machine.assertQuiescent()
  })

  it('keeps the pins of memories that have the same pages apart', () => {
    const { machine, kernel, device } = machineWithDevice()
    const memory = allocateDmaMemory({ byteLength: PAGE, kernel })
    const imported = importDmaMemory(exportDmaMemory(memory), { kernel })
    const first = createDmaRegion(device, { memory })
    const second = createDmaRegion(device, { memory: imported })
    expect(second.dmaAddress).toBe(first.dmaAddress)
    second.close()
    imported.close()
    expect(memory.isPinned()).toBe(true)
    device.ops.verify?.()
    first.close()
    memory.close()
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

describe('pins of the direct path', () => {
  it('take as many descriptors as there are memories, and not as mappings', () => {
    const { machine, kernel, device } = machineWithDevice()
    const memory = allocateDmaMemory({ byteLength: 4000 * PAGE, kernel })
    const before = kernel.live().descriptors
    const mappings = Array.from({ length: 4000 }, (_, i) =>
      dmaMapSingle(device, memory.bytes.subarray(i * PAGE, (i + 1) * PAGE), DmaDirection.ToDevice),
    )
    expect(kernel.live().descriptors - before).toBeLessThan(10)
    expect(mappings[3999]!.dmaAddress).toBe(physicalAddressAt(memory, 3999 * PAGE))
    for (const mapping of mappings) mapping.unmap()
    expect(kernel.live().descriptors).toBe(before)
    expect(memory.isPinned(0, 1)).toBe(false)
    memory.close()
    machine.assertQuiescent()
  })

  it('are the caller’s where these cover a mapping, and hold until its end', () => {
    const { machine, kernel, device } = machineWithDevice()
    const memory = allocateDmaMemory({ byteLength: 2000 * PAGE, kernel })
    const pin = memory.pin()
    const before = kernel.live().descriptors
    const mappings = Array.from({ length: 2000 }, (_, i) =>
      dmaMapSingle(device, memory.bytes.subarray(i * PAGE, (i + 1) * PAGE), DmaDirection.ToDevice),
    )
    expect(kernel.live().descriptors).toBe(before)
    pin.close()
    expect(pin.closed).toBe(true)
    pin.close()
    for (const mapping of mappings) {
      expect(memory.isPinned()).toBe(true)
      mapping.unmap()
    }
    expect(memory.isPinned(0, 1)).toBe(false)
    expect(kernel.live().descriptors).toBe(before - 1)
    memory.close()
    machine.assertQuiescent()
  })

  it('go with the memory, whatever is mapped', () => {
    const { machine, kernel, device } = machineWithDevice()
    const memory = allocateDmaMemory({ byteLength: 64 * PAGE, kernel })
    const pin = memory.pin(0, 2 * PAGE)
    const mappings = Array.from({ length: 64 }, (_, i) =>
      dmaMapSingle(device, memory.bytes.subarray(i * PAGE, (i + 1) * PAGE), DmaDirection.ToDevice),
    )
    memory.close()
    expect(pin.closed).toBe(true)
    expect(mappings.some(({ mapped }) => mapped)).toBe(false)
    expect(device.children.size).toBe(0)
    machine.assertQuiescent()
  })
})
