// By the package's own name, as vfio does: its devices are then of the same class.
import {
  allocateDmaMemory,
  createDmaRegion,
  DmaDirection,
  DmaError,
  type DmaOps,
  dmaAllocNoncoherent,
  dmaMapSingle,
  getDmaOps,
  setDmaOps,
} from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import { expect, it } from 'vitest'

const { ToDevice, FromDevice } = DmaDirection
const io = expect.objectContaining({ code: 'EIO' })

/** A device whose path is not coherent, and whose syncs fail as long as `failing` names them. */
function openNoncoherent() {
  const machine = createFakeMachine()
  const device = openVfioDevice(machine.addDevice(new EduDevice()).address, { kernel: machine.kernel })
  device.setMaster()
  const state = { failing: '' }
  const fail = (verb: string) => () => {
    if (state.failing === verb) throw new DmaError('EIO', `no ${verb}`)
  }
  const inner = getDmaOps(device)
  const ops: DmaOps = {
    name: 'not coherent',
    coherent: false,
    pins: true,
    mapPages: (...of) => inner.mapPages(...of),
    unmapPages: (...of) => inner.unmapPages(...of),
    syncForCpu: fail('syncForCpu'),
    syncForDevice: fail('syncForDevice'),
    supportsMask: (mask) => inner.supportsMask(mask),
    requiredMask: () => inner.requiredMask(),
    maxMappingSize: (of) => inner.maxMappingSize(of),
    optMappingSize: (of) => inner.optMappingSize(of),
  }
  setDmaOps(device, ops)
  return { machine, device, state }
}

it('leaves no mapping in a region whose last sync failed', () => {
  const { machine, device, state } = openNoncoherent()
  const region = createDmaRegion(device, { byteLength: 8192 })
  const mapping = dmaMapSingle(device, region.bytes.subarray(0, 4096), FromDevice)
  const handle = region.mapSingle(4096, 64, FromDevice)
  state.failing = 'syncForCpu'
  expect(() => mapping.unmap()).toThrow(io)
  expect(() => region.unmapSingle(handle)).toThrow(io)
  expect([mapping.mapped, region.isMapped(handle), region.liveMappings]).toEqual([false, false, 0])
  expect(() => region.unmapSingle(handle)).toThrow(expect.objectContaining({ code: 'DMA_NOT_MAPPED' }))
  state.failing = 'syncForDevice'
  expect(() => region.mapSingle(0, 64, ToDevice)).toThrow(io)
  expect(region.liveMappings).toBe(0)
  device.close()
  machine.assertQuiescent()
})

it('leaves a mapping as it was where its attributes are refused', () => {
  const { device } = openNoncoherent()
  const region = createDmaRegion(device, { byteLength: 4096 })
  const handle = region.mapSingle(0, 64, FromDevice)
  expect(() => region.unmapSingle(handle, 1)).toThrow(
    expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' }),
  )
  expect(region.isMapped(handle)).toBe(true)
  device.close()
})

it('leaves nothing of a buffer outside any region, or of an allocation', () => {
  const { machine, device, state } = openNoncoherent()
  const memory = allocateDmaMemory({ byteLength: 4096, kernel: machine.kernel })
  const mapping = dmaMapSingle(device, memory.bytes, FromDevice)
  state.failing = 'syncForCpu'
  expect(() => mapping.unmap()).toThrow(io)
  expect(() => dmaAllocNoncoherent(device, 4096, FromDevice)).toThrow(io)
  state.failing = 'syncForDevice'
  expect(() => dmaMapSingle(device, memory.bytes, ToDevice)).toThrow(io)
  expect(device.children.size).toBe(0)
  memory.close()
  device.close()
  machine.assertQuiescent()
})

it('gives back all of a mapping by the sync of a range, and lends nothing but the range', () => {
  const { device } = openNoncoherent()
  const region = createDmaRegion(device, { byteLength: 4096 })
  const mapping = dmaMapSingle(device, region.bytes.subarray(0, 64), FromDevice)
  expect(mapping.syncForCpu(0, 16)).toHaveLength(16)
  // A second range takes the place of the first.
  expect(mapping.syncForCpu(32, 8)).toHaveLength(8)
  expect([mapping.bytes.byteOffset - region.bytes.byteOffset, mapping.bytes.byteLength]).toEqual([32, 8])
  mapping.syncForDevice(32, 1)
  expect(mapping.owner).toBe('device')
  expect(() => mapping.bytes).toThrow(expect.objectContaining({ code: 'DMA_DEVICE_OWNS' }))
  expect(mapping.syncForCpu()).toHaveLength(64)
  device.close()
})
