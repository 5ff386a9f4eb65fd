// By the package's own name, as vfio does: its devices are then of the same class.
import { allocateDmaMemory, createDmaRegion, DmaDirection, DmaMisuse, dmaMapSingle } from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import { expect, it } from 'vitest'

it('is taken from all who let go of it when it is closed, though one did not', () => {
  const machine = createFakeMachine()
  const { kernel } = machine
  const open = () => {
    const device = openVfioDevice(machine.addDevice(new EduDevice()).address, { kernel })
    device.setMaster()
    return device
  }
  const [stubborn, other] = [open(), open()]
  const memory = allocateDmaMemory({ byteLength: 3 * 4096, kernel })
  const [first, second] = [0, 4096].map((at) =>
    dmaMapSingle(stubborn, memory.bytes.subarray(at, at + 4096), DmaDirection.ToDevice),
  )
  const region = createDmaRegion(other, { memory })

  machine.failCall({ syscall: 'ioctl(VFIO_IOMMU_UNMAP_DMA)', code: 'EINVAL' })
  expect(() => first!.unmap()).toThrow(expect.objectContaining({ code: 'EINVAL' }))
  expect([memory.quarantined, second!.mapped, region.closed]).toEqual([true, true, false])
  memory.close()
  expect([memory.quarantined, second!.mapped, region.closed]).toEqual([true, false, true])
  other.close()
  stubborn.close()
  expect([memory.quarantined, memory.closed]).toEqual([false, true])
  // Of the second mapping, which was left when the memory was closed.
  expect(machine.dmaErrors).toEqual([expect.objectContaining({ class: DmaMisuse.ClosePending, size: 4096 })])
  machine.assertQuiescent()
})
