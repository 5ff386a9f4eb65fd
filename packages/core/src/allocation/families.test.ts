// By the package's own name, as vfio does: its devices are then of the same class.
import {
  createDmaRegion,
  DmaDirection,
  type DmaPool,
  dmaAllocCoherent,
  dmaAllocNoncoherent,
  dmaFreeCoherent,
  dmaFreeNoncoherent,
  dmaFreePages,
  dmaMapPage,
  dmaMapSingle,
  dmaMmapCoherent,
  dmaMmapPages,
  dmaPoolAlloc,
  dmaPoolCreate,
  dmaPoolDestroy,
  dmaPoolFree,
  dmaPoolZalloc,
  readFrames,
  setDmaOps,
} from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import { expect, it } from 'vitest'

const { Bidirectional } = DmaDirection
const invalid = expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' })

function openEdu() {
  const machine = createFakeMachine()
  const device = openVfioDevice(machine.addDevice(new EduDevice()).address, { kernel: machine.kernel })
  device.setMaster()
  return { machine, device }
}

it('frees and maps an allocation by the functions of its own family', () => {
  const { machine, device } = openEdu()
  const coherent = dmaAllocCoherent(device, 64)
  const noncoherent = dmaAllocNoncoherent(device, 64, Bidirectional)
  const region = { device, memory: coherent.memory, byteLength: 64, freed: false, free: () => {} }
  for (const wrong of [noncoherent, region]) {
    expect(() => dmaFreeCoherent(device, wrong as never)).toThrow(invalid)
    expect(() => dmaMmapCoherent(device, wrong as never)).toThrow(invalid)
  }
  for (const wrong of [coherent, region]) {
    expect(() => dmaFreeNoncoherent(device, wrong as never)).toThrow(invalid)
    expect(() => dmaFreePages(device, wrong as never)).toThrow(invalid)
    expect(() => dmaMmapPages(device, wrong as never)).toThrow(invalid)
  }
  expect([coherent.freed, noncoherent.freed]).toEqual([false, false])
  dmaFreeCoherent(device, coherent)
  dmaFreeNoncoherent(device, noncoherent)
  device.close()
  machine.assertQuiescent()
})

it('says what is wrong with what is none', () => {
  const { machine, device } = openEdu()
  const pool: DmaPool = dmaPoolCreate('p', device, 64)
  const coherent = dmaAllocCoherent(device, 64)
  for (const none of [null, undefined, 5, {}] as never[]) {
    for (const call of [
      () => dmaAllocCoherent(none, 64),
      () => dmaAllocNoncoherent(none, 64, Bidirectional),
      () => dmaMapSingle(none, coherent.bytes, Bidirectional),
      () => dmaMapPage(none, coherent.memory, 0, 0, 64, Bidirectional),
      () => createDmaRegion(none, { byteLength: 64 }),
      () => dmaPoolCreate('p', none, 64),
      () => dmaPoolAlloc(none),
      () => dmaPoolZalloc(none),
      () => dmaPoolFree(none, dmaPoolAlloc(pool)),
      () => dmaPoolFree(pool, none),
      () => dmaPoolDestroy(none),
      () => dmaMmapCoherent(device, none),
      () => dmaMmapCoherent(none, coherent),
      () => dmaMmapPages(device, none),
      () => dmaFreeCoherent(device, none),
      () => dmaFreeNoncoherent(device, none),
      () => readFrames(none),
      () => setDmaOps(device, none),
      () => setDmaOps(none, device.ops),
    ]) {
      expect(call).toThrow(invalid)
    }
  }
  device.close()
  machine.assertQuiescent()
})
