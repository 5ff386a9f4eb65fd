// By the package's own name, as vfio does: its devices are then of the same class.
import {
  bounceOps,
  bouncePoolOf,
  createDmaRegion,
  DmaDirection,
  dmaAllocNoncoherent,
  dmaGetMergeBoundary,
  dmaMapSingle,
  getDmaOps,
  setDmaOps,
} from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import { expect, it } from 'vitest'

const { ToDevice, Bidirectional } = DmaDirection

function openEdu() {
  const machine = createFakeMachine()
  const device = openVfioDevice(machine.addDevice(new EduDevice()).address, { kernel: machine.kernel })
  device.setMaster()
  return { machine, device, plain: getDmaOps(device) }
}

it('gives back slots that nothing uses any more, and has others when it comes round again', () => {
  const { machine, device, plain } = openEdu()
  const bounce = bounceOps(plain)
  const live = machine.kernel.live()
  for (let round = 0; round < 3; round++) {
    setDmaOps(device, bounce)
    const mapping = dmaMapSingle(device, new Uint8Array(16), ToDevice)
    expect(() => setDmaOps(device, plain)).toThrow(expect.objectContaining({ code: 'DMA_IN_USE' }))
    expect(mapping.mapped).toBe(true)
    mapping.unmap()
    expect(bouncePoolOf(device)?.usedSlots).toBe(0)
    setDmaOps(device, plain)
    expect([device.children.size, bouncePoolOf(device)]).toEqual([0, undefined])
    expect(machine.kernel.live()).toEqual(live)
  }
  device.close()
  machine.assertQuiescent()
})

it('leaves slots that something else may come to need', () => {
  const { machine, device, plain } = openEdu()
  setDmaOps(device, bounceOps(plain, { force: true }))
  using region = createDmaRegion(device, { byteLength: 4096 })
  expect(() => setDmaOps(device, plain)).toThrow(expect.objectContaining({ code: 'DMA_IN_USE' }))
  const handle = region.mapSingle(0, 64, ToDevice)
  region.unmapSingle(handle)
  device.close()
  machine.assertQuiescent()
})

it('stays with its path where the slots cannot be taken from the device', () => {
  const { machine, device, plain } = openEdu()
  const bounce = bounceOps(plain)
  setDmaOps(device, bounce)
  dmaMapSingle(device, new Uint8Array(16), ToDevice).unmap()
  machine.failCall({ syscall: 'ioctl(VFIO_IOMMU_UNMAP_DMA)', code: 'EIO' })
  expect(() => setDmaOps(device, plain)).toThrow(expect.objectContaining({ code: 'EIO' }))
  expect(getDmaOps(device)).toBe(bounce)
  dmaMapSingle(device, new Uint8Array(16), ToDevice).unmap()
  setDmaOps(device, plain)
  device.close()
  machine.assertQuiescent()
})

it('joins segments where none of them may be bounced by itself', () => {
  const { device, plain } = openEdu()
  expect(dmaGetMergeBoundary(device)).toBe(plain.iommu!.granule - 1)
  setDmaOps(device, bounceOps(plain))
  expect(dmaGetMergeBoundary(device)).toBe(plain.iommu!.granule - 1)
  setDmaOps(device, bounceOps(plain, { untrusted: true }))
  expect(dmaGetMergeBoundary(device)).toBe(plain.iommu!.granule - 1)
  setDmaOps(device, bounceOps(plain, { force: true }))
  expect(dmaGetMergeBoundary(device)).toBe(0)
  device.close()
})

it('never bounces what was allocated for the device, however long it is', () => {
  const { machine, device, plain } = openEdu()
  setDmaOps(device, bounceOps(plain, { force: true, byteLength: 1 }))
  using buffer = dmaAllocNoncoherent(device, 1 << 20, Bidirectional)
  buffer.syncForDevice()
  buffer.syncForCpu(4096, 8)
  expect(bouncePoolOf(device)?.usedSlots ?? 0).toBe(0)
  device.close()
  machine.assertQuiescent()
})
