// By the package's own name, as vfio does: its devices are then of the same class.
import {
  createDmaRegion,
  DmaAttribute,
  DmaDirection,
  dmaAllocCoherent,
  dmaMapSingle,
  toNumber,
} from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'
import { describe, expect, it } from 'vitest'
import { PlainDevice } from '../fixtures/plain-device'
import { createFakeMachine } from '../machine'

const { ToDevice, FromDevice } = DmaDirection

function opened(coherence: 'coherent' | 'write-back' | 'bounce' = 'write-back') {
  const machine = createFakeMachine({ coherence })
  const plain = machine.addDevice(new PlainDevice())
  const device = openVfioDevice(plain.address, { kernel: machine.kernel })
  device.setMaster()
  const region = createDmaRegion(device, { byteLength: 4096 })
  return { machine, plain, device, region, start: toNumber(region.dmaAddress) }
}

function messageOf(run: () => void): string {
  try {
    run()
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('it went through')
}

describe('machine.stale()', () => {
  it('tells who wrote what, when, by the offsets of the view', () => {
    const { machine, plain, device, region, start } = opened()
    const mapping = dmaMapSingle(device, region.bytes.subarray(128, 384), FromDevice)
    machine.clock.advance(5)
    plain.writeMemory(start + 200, [1, 2, 3])
    const written = { byteLength: 3, device: plain.address, address: start + 200, time: machine.clock.now() }
    expect(machine.stale(region.bytes)).toEqual([{ byteOffset: 200, ...written }])
    expect(machine.stale(region.bytes.subarray(128))).toEqual([{ byteOffset: 72, ...written }])
    const cut = { ...written, byteLength: 1, address: start + 202 }
    expect(machine.stale(region.bytes.subarray(202, 300))).toEqual([{ byteOffset: 0, ...cut }])
    expect(machine.stale()).toEqual([{ byteOffset: 200, ...written }])
    expect(machine.stale(new Uint32Array(region.bytes.buffer, region.bytes.byteOffset, 50))).toEqual([])
    mapping.unmap()
    expect(machine.stale()).toEqual([])
  })

  it('knows a range that was not synced', () => {
    const { machine, plain, device, region, start } = opened()
    const mapping = dmaMapSingle(device, region.bytes.subarray(0, 256), FromDevice)
    plain.writeMemory(start, new Array(256).fill(1))
    mapping.syncForCpu(64, 64)
    expect(machine.stale(region.bytes).map(({ byteOffset, byteLength }) => [byteOffset, byteLength])).toEqual(
      [
        [0, 64],
        [128, 128],
      ],
    )
    machine.assertNotStale(region.bytes.subarray(64, 128))
    expect(() => machine.assertNotStale(region.bytes.subarray(0, 128))).toThrow('stale: bytes 0..63')
    mapping.unmap()
  })

  it('is empty on machines that are coherent, or bounce, and for memory of the heap', () => {
    for (const coherence of ['coherent', 'bounce'] as const) {
      const { machine, plain, device, region } = opened(coherence)
      const mapping = dmaMapSingle(device, region.bytes.subarray(0, 64), FromDevice)
      plain.writeMemory(toNumber(mapping.dmaAddress), [1])
      expect([machine.stale(), machine.stale(region.bytes)]).toEqual([[], []])
      machine.assertNotStale(region.bytes)
      mapping.unmap()
    }
    const { machine } = opened()
    machine.assertNotStale(new Uint8Array(16))
    for (const bytes of [null, 5, new ArrayBuffer(8), undefined]) {
      expect(() => machine.assertNotStale(bytes as never)).toThrow(
        expect.objectContaining({ code: 'DMA_INVALID_ARGUMENT' }),
      )
    }
  })

  it('has what was in memory that is closed, where all is asked for', () => {
    const { machine, plain, device, region, start } = opened()
    plain.writeMemory(start, [1])
    expect(machine.stale()).toHaveLength(1)
    const [stale] = machine.stale()
    const { bytes } = region
    region.close()
    expect(machine.stale()).toEqual([{ ...stale, closed: true }])
    expect(machine.stale(bytes)).toEqual([])
    device.close()
    machine.assertQuiescent()
  })
})

describe('what assertNotStale() says to do', () => {
  it('where the unmap skipped the sync', () => {
    const { machine, plain, device, region, start } = opened()
    const mapping = dmaMapSingle(device, region.bytes.subarray(0, 64), FromDevice)
    plain.writeMemory(start, [1])
    mapping.unmap(DmaAttribute.SkipCpuSync)
    expect(messageOf(() => machine.assertNotStale(region.bytes))).toContain(
      'unmap without DmaAttribute.SkipCpuSync',
    )
  })

  it('where the mapping has the wrong direction', () => {
    const { machine, plain, device, region, start } = opened()
    const mapping = dmaMapSingle(device, region.bytes.subarray(0, 64), ToDevice)
    plain.writeMemory(start, [1])
    mapping.syncForCpu()
    expect(messageOf(() => machine.assertNotStale(region.bytes))).toContain(
      'map it FromDevice or Bidirectional',
    )
    mapping.unmap()
  })

  it('where the device was given the address of a region, and no mapping', () => {
    const { machine, plain, region } = opened()
    region.bytes[0] = 1
    plain.readMemory(toNumber(region.addressAt(0, 64)), 64)
    expect(machine.dmaErrors[0]?.message).toContain('what region.addressAt() gives is never synced')
  })
})

it('goes past the caches for coherent memory: nothing of it is ever stale', () => {
  const { machine, plain, device } = opened()
  const ring = dmaAllocCoherent(device, 100)
  ring.bytes.set([1, 2, 3])
  expect(plain.readMemory(toNumber(ring.dmaAddress), 3).bytes).toEqual([1, 2, 3])
  plain.writeMemory(toNumber(ring.dmaAddress), [4])
  expect(ring.bytes[0]).toBe(4)
  machine.assertNotStale(ring.bytes)
  machine.assertNoDmaErrors()
})
