import {
  allocateDmaMemory,
  createDmaRegion,
  DmaDirection,
  dmaAllocCoherent,
  dmaAllocNoncoherent,
} from '@linux-dma/core'
import { expect, it } from 'vitest'
import { withEngine } from '../../test-support/device'
import { dmaGetSgtable } from './get-sgtable'
import { dmaMapSgtable } from './map-sgtable'
import {
  dmaAllocNoncontiguous,
  dmaFreeNoncontiguous,
  dmaMmapNoncontiguous,
  dmaVmapNoncontiguous,
  dmaVunmapNoncontiguous,
} from './noncontiguous'

const { Bidirectional, ToDevice } = DmaDirection

it('leaves nothing behind, whichever of its system calls fails', () => {
  for (const syscall of ['memfd_create', 'mmap', 'ioctl(VFIO_IOMMU_MAP_DMA)']) {
    withEngine({}, (device, _engine, machine) => {
      machine.failCall({ syscall, code: 'ENOMEM' })
      expect(() => dmaAllocNoncontiguous(device, 100_000, Bidirectional), syscall).toThrow('ENOMEM')
      expect(device.children.size).toBe(0)
    })
  }
})

it('is one segment, however short the device’s segments are, and goes with its device', () => {
  withEngine({}, (device, engine) => {
    device.parameters.maxSegmentSize = 4096
    const allocation = dmaAllocNoncontiguous(device, 100_000, Bidirectional)
    expect([allocation.nents, allocation.dmaLengthAt(0), allocation.byteLength]).toEqual([
      1, 100_000, 100_000,
    ])
    dmaVmapNoncontiguous(device, allocation).fill(7)
    allocation.syncForDevice()
    expect(engine.gather(allocation).every((byte) => byte === 7)).toBe(true)
    engine.scatter(allocation)
    allocation.syncForCpu()
    const bytes = new Uint8Array(300)
    allocation.copyToBuffer(bytes, 512)
    expect(bytes).toEqual(Uint8Array.from(bytes, (_, i) => i & 0xff))
    device.close()
    expect(allocation.freed).toBe(true)
    expect(() => allocation.dmaAddressAt(0)).toThrow('DMA_NOT_MAPPED')
    expect(() => dmaFreeNoncontiguous(device, allocation)).toThrow('DMA_CLOSED')
  })
})

it('gives the memory of an allocation to its own device once more', () => {
  withEngine({}, (device, engine) => {
    using allocation = dmaAllocCoherent(device, 10_000)
    allocation.bytes.fill(9)
    using mapped = dmaMapSgtable(device, dmaGetSgtable(device, allocation, 5000), ToDevice)
    expect(mapped.dmaAddressAt(0)).not.toBe(allocation.dmaAddress)
    expect(engine.gather(mapped)).toHaveLength(5000)
    for (const byteLength of [0, 10_001, 1.5, Number.NaN]) {
      expect(() => dmaGetSgtable(device, allocation, byteLength)).toThrow('DMA_RANGE')
    }
  })
})

it('is told from memory of other kinds, which stays as it is', () => {
  withEngine({}, (device, _engine, { kernel }) => {
    const coherent = dmaAllocCoherent(device, 4096)
    const noncoherent = dmaAllocNoncoherent(device, 4096, Bidirectional)
    using region = createDmaRegion(device, { byteLength: 4096 })
    using memory = allocateDmaMemory({ byteLength: 4096, kernel })
    for (const other of [coherent, noncoherent, region, memory, {}, null] as never[]) {
      for (const use of [dmaFreeNoncontiguous, dmaVmapNoncontiguous, dmaMmapNoncontiguous]) {
        expect(() => use(device, other)).toThrow('DMA_INVALID_ARGUMENT')
      }
      if (other !== coherent) expect(() => dmaGetSgtable(device, other)).toThrow('DMA_INVALID_ARGUMENT')
    }
    expect([coherent.freed, noncoherent.freed, region.closed]).toEqual([false, false, false])
    for (const bytes of [coherent.bytes, region.bytes, memory.bytes]) {
      expect(() => dmaVunmapNoncontiguous(device, bytes)).toThrow('DMA_INVALID_ARGUMENT')
    }
    const allocation = dmaAllocNoncontiguous(device, 5000, Bidirectional)
    const bytes = dmaVmapNoncontiguous(device, allocation)
    dmaVunmapNoncontiguous(device, bytes)
    for (const none of [null, undefined, {}] as never[]) {
      for (const use of [dmaFreeNoncontiguous, dmaVmapNoncontiguous, dmaMmapNoncontiguous]) {
        expect(() => use(none, allocation)).toThrow('DMA_INVALID_ARGUMENT')
      }
      expect(() => dmaVunmapNoncontiguous(none, bytes)).toThrow('DMA_INVALID_ARGUMENT')
      expect(() => dmaAllocNoncontiguous(none, 1, Bidirectional)).toThrow('DMA_INVALID_ARGUMENT')
      expect(() => dmaGetSgtable(none, coherent)).toThrow('DMA_INVALID_ARGUMENT')
    }
    withEngine({}, (other) => {
      expect(() => dmaVunmapNoncontiguous(other, bytes)).toThrow('DMA_WRONG_DEVICE')
      expect(() => dmaFreeNoncontiguous(other, allocation)).toThrow('DMA_WRONG_DEVICE')
    })
    dmaFreeNoncontiguous(device, allocation)
    expect(() => dmaVunmapNoncontiguous(device, bytes)).toThrow('DMA_CLOSED')
  })
})
