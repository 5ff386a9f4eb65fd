// By the package's own name, as vfio does: its devices are then of the same class.
import {
  bounceOps,
  bouncePoolOf,
  bufferOf,
  createDmaRegion,
  DmaAttribute,
  DmaDirection,
  type DmaMemory,
  dmaAllocCoherent,
  dmaMapSingle,
  dmaMmapCoherent,
  getDmaOps,
  memoryOf,
  setDmaOps,
} from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import { expect, it } from 'vitest'
import { noteWindow } from './memory-of'

const { ToDevice } = DmaDirection
const page = 4096

function openEdu() {
  const machine = createFakeMachine()
  const device = openVfioDevice(machine.addDevice(new EduDevice()).address, { kernel: machine.kernel })
  device.setMaster()
  return { machine, device }
}

it('finds a part of a second mapping where the memory itself has it', () => {
  const { machine, device } = openEdu()
  const allocation = dmaAllocCoherent(device, 4 * page)
  {
    using window = dmaMmapCoherent(device, allocation, { pageOffset: 1, byteLength: 2 * page })
    const view = window.bytes.subarray(page + 8, page + 24)
    view.fill(7)
    const { memory, range } = memoryOf(view)
    expect(memory).toBe(allocation.memory)
    expect(range).toEqual({
      buffer: memory.bytes.buffer,
      byteOffset: memory.bytes.byteOffset + 2 * page + 8,
      byteLength: 16,
    })
    expect(bufferOf(view)).toEqual({ memory, range })
    expect(new Uint8Array(range.buffer, range.byteOffset, range.byteLength)).toEqual(view)
    // In a region it is arithmetic, as for any part of the memory.
    using region = createDmaRegion(device, { memory })
    using mapping = dmaMapSingle(device, view, ToDevice)
    expect(mapping.dmaAddress).toBe(region.addressAt(2 * page + 8, 16))
  }
  device.close()
  machine.assertQuiescent()
})

/** A second mapping as real ones are, with a buffer of its own: those of the fake kernel share one. */
function mapAgain(memory: DmaMemory, memoryOffset: number) {
  const bytes = new Uint8Array(new ArrayBuffer(3 * page), page, page)
  const mapping = { bytes, closed: false }
  // The same class by another name: types come from what was built, and what runs from the sources.
  noteWindow(mapping as never, memory as never, memoryOffset)
  return mapping
}

it('knows a mapping with a buffer of its own by where it begins', () => {
  const { device } = openEdu()
  const { memory } = dmaAllocCoherent(device, 4 * page)
  const { bytes } = mapAgain(memory, 2 * page)
  const { range } = memoryOf(bytes.subarray(8, 24))
  expect(range.byteOffset - memory.bytes.byteOffset).toBe(2 * page + 8)
  expect([range.buffer === memory.bytes.buffer, range.byteLength]).toEqual([true, 16])
  using region = createDmaRegion(device, { memory })
  using mapping = dmaMapSingle(device, bytes.subarray(8, 24), ToDevice)
  expect(mapping.dmaAddress).toBe(region.addressAt(2 * page + 8, 16))
  device.close()
})

it('does not take a closed mapping, or one of closed memory, for that memory', () => {
  const { device } = openEdu()
  const allocation = dmaAllocCoherent(device, page)
  const closed = mapAgain(allocation.memory, 0)
  const view = closed.bytes
  closed.closed = true
  const open = mapAgain(allocation.memory, 0)
  for (const use of [bufferOf, memoryOf, (it: Uint8Array) => dmaMapSingle(device, it, ToDevice)]) {
    expect(() => use(view)).toThrow(expect.objectContaining({ code: 'DMA_CLOSED' }))
  }
  allocation.free()
  expect(() => memoryOf(open.bytes)).toThrow(expect.objectContaining({ code: 'DMA_CLOSED' }))
  // What it shows can still be copied.
  expect(bufferOf(open.bytes)).toMatchObject({ memory: undefined, range: { byteLength: page } })
  device.close()
})

it('says of memory for devices alone that it is that, and copies of it are bounced', () => {
  const { machine, device } = openEdu()
  setDmaOps(device, bounceOps(getDmaOps(device)))
  const hidden = dmaAllocCoherent(device, page, DmaAttribute.NoKernelMapping)
  const window = dmaMmapCoherent(device, hidden)
  expect(() => memoryOf(window.bytes)).toThrow(expect.objectContaining({ code: 'DMA_NO_KERNEL_MAPPING' }))
  const mapping = dmaMapSingle(device, window.bytes, ToDevice)
  expect(bouncePoolOf(device)?.usedSlots).toBe(page / 2048)
  mapping.unmap()
  window.close()
  device.close()
  machine.assertQuiescent()
})
