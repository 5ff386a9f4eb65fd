import { createFakeMachine } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { dmaAllocCoherent } from '../allocation/coherent'
import { DmaDevice } from '../device/dma-device'
import type { DmaOps } from '../device/dma-ops'
import { allocateDmaMemory } from '../memory/allocate-memory'
import { dmaAddress, toNumber } from '../vocabulary/address'
import { DmaDirection } from '../vocabulary/direction'
import { createDmaRegion } from './create-region'
import { dmaMapSingle } from './streaming'

const START = 0x1_2345_6000

/** A DMA path that writes down what it is asked, and fails where it is told to. */
function recordingOps(overrides: Partial<DmaOps> = {}): DmaOps & { calls: string[] } {
  const calls: string[] = []
  return {
    calls,
    name: 'recording',
    coherent: true,
    pins: true,
    mapPages(_device, _memory, byteOffset, byteLength) {
      calls.push(`map ${byteOffset}+${byteLength}`)
      return dmaAddress(START + byteOffset)
    },
    unmapPages(_device, address, byteLength) {
      calls.push(`unmap 0x${toNumber(address).toString(16)}+${byteLength}`)
    },
    supportsMask: () => true,
    requiredMask: () => 0xffff_ffffn,
    maxMappingSize: () => 1 << 20,
    optMappingSize: () => 1 << 30,
    ...overrides,
  }
}

function setUp(overrides?: Partial<DmaOps>) {
  const { kernel } = createFakeMachine()
  const ops = recordingOps(overrides)
  return { kernel, ops, device: new DmaDevice('device', kernel, ops) }
}

/** A device that can reach nothing any more once it is closed. */
class Quiet extends DmaDevice {
  protected override release(): void {
    this.provenQuiet()
  }
}

function fails(): never {
  throw new Error('no answer')
}

describe('regions and mappings', () => {
  it('ask the DMA path once for a region and never for its parts', () => {
    const { device, ops } = setUp()
    const region = createDmaRegion(device, { byteLength: 10_000 })
    for (let i = 0; i < 100; i++) {
      const handle = region.mapSingle(i * 100, 100, DmaDirection.ToDevice)
      expect(toNumber(region.addressOf(handle))).toBe(START + i * 100)
      region.syncForCpu(handle)
      region.syncForDevice(handle)
      region.unmapSingle(handle)
    }
    region.close()
    expect(ops.calls).toEqual(['map 0+12288', `unmap 0x${START.toString(16)}+12288`])
  })

  it('map exactly the pages that an unregistered buffer touches', () => {
    const { device, ops, kernel } = setUp()
    const memory = allocateDmaMemory({ byteLength: 16384, kernel })
    dmaMapSingle(device, memory.bytes.subarray(4095, 8193), DmaDirection.ToDevice).unmap()
    expect(ops.calls[0]).toBe('map 0+12288')
    ops.calls.length = 0
    dmaMapSingle(device, memory.bytes.subarray(8192, 8193), DmaDirection.ToDevice).unmap()
    expect(ops.calls[0]).toBe('map 8192+4096')
  })

  it('sync where the path is not coherent: for the device at map, for the CPU at unmap', () => {
    const calls: string[] = []
    const { device } = setUp({
      coherent: false,
      syncForCpu: (_d, address, byteLength) => calls.push(`cpu ${toNumber(address) - START}+${byteLength}`),
      syncForDevice: (_d, address, byteLength) =>
        calls.push(`device ${toNumber(address) - START}+${byteLength}`),
    })
    const region = createDmaRegion(device, { byteLength: 4096 })
    const mapping = dmaMapSingle(device, region.bytes.subarray(64, 164), DmaDirection.FromDevice)
    mapping.syncForCpu(10, 20)
    mapping.syncForDevice(10, 20)
    mapping.unmap()
    expect(calls).toEqual(['device 64+100', 'cpu 74+20', 'device 74+20', 'cpu 64+100'])
    expect(() => dmaAllocCoherent(device, 64)).toThrow(/DMA_NOT_COHERENT/)
  })

  it('leave nothing behind where the path refuses', () => {
    const { device, kernel } = setUp({
      mapPages() {
        throw new Error('refused')
      },
    })
    const before = kernel.live()
    const memory = allocateDmaMemory({ byteLength: 4096, kernel })
    expect(() => createDmaRegion(device, { byteLength: 4096 })).toThrow('refused')
    expect(() => createDmaRegion(device, { memory })).toThrow('refused')
    expect(() => dmaMapSingle(device, memory.bytes, DmaDirection.ToDevice)).toThrow('refused')
    expect(() => dmaAllocCoherent(device, 64)).toThrow('refused')
    expect(device.children.size).toBe(0)
    expect(memory.closed).toBe(false)
    memory.close()
    expect(kernel.live()).toEqual(before)
  })

  it('keep memory that a device could not be parted from, and say so once', () => {
    const { device, kernel } = setUp({
      unmapPages() {
        throw new Error('the IOMMU does not answer')
      },
    })
    const memory = allocateDmaMemory({ byteLength: 4096, kernel })
    const { bytes } = memory
    createDmaRegion(device, { memory })
    bytes[0] = 5
    expect(() => device.close()).toThrow('does not answer')
    device.close()
    expect(memory.quarantined).toBe(true)
    memory.close()
    expect(bytes[0]).toBe(5)
    expect(kernel.live().mappings).toBe(1)
    expect(() => memory.bytes).toThrow(expect.objectContaining({ code: 'DMA_QUARANTINED' }))
  })

  it('give quarantined memory back when the device is proven quiet', () => {
    const { kernel } = createFakeMachine()
    const device = new Quiet('device', kernel, recordingOps({ unmapPages: fails }))
    const before = kernel.live()
    const memory = allocateDmaMemory({ byteLength: 4096, kernel })
    const mapping = dmaMapSingle(device, memory.bytes, DmaDirection.ToDevice)
    expect(() => mapping.unmap()).toThrow('no answer')
    expect(memory.quarantined).toBe(true)
    expect(() => dmaMapSingle(device, memory.bytes, DmaDirection.ToDevice)).toThrow(/DMA_QUARANTINED/)
    device.close()
    expect(memory.quarantined).toBe(false)
    expect(kernel.live()).toEqual(before)
  })

  it('keep quarantined memory until the last device that may reach it is gone', () => {
    const { kernel } = createFakeMachine()
    const first = new Quiet('first', kernel, recordingOps({ unmapPages: fails }))
    const second = new Quiet('second', kernel, recordingOps({ unmapPages: fails }))
    const third = new Quiet('third', kernel, recordingOps())
    const before = kernel.live()
    const memory = allocateDmaMemory({ byteLength: 4096, kernel })
    const regions = [first, second, third].map((device) => createDmaRegion(device, { memory }))
    expect(() => regions[0]!.close()).toThrow('no answer')
    expect(() => regions[1]!.close()).toThrow('no answer')
    first.close()
    expect(memory.quarantined).toBe(true)
    second.close()
    expect(memory.quarantined).toBe(true)
    expect(regions[2]!.closed).toBe(false)
    third.close()
    expect(memory.quarantined).toBe(false)
    expect(kernel.live()).toEqual(before)
  })

  it('take back what was mapped where the books cannot be opened', () => {
    const { device, ops, kernel } = setUp()
    const before = kernel.live()
    device.adopt = () => {
      throw new Error('no room')
    }
    expect(() => createDmaRegion(device, { byteLength: 4096 })).toThrow('no room')
    expect(ops.calls).toEqual(['map 0+4096', `unmap 0x${START.toString(16)}+4096`])
    expect(kernel.live()).toEqual(before)
  })

  it('know their own handles from those of another region', () => {
    let next = START
    const { device } = setUp({
      mapPages(_device, _memory, _byteOffset, byteLength) {
        next += byteLength
        return dmaAddress(next)
      },
    })
    const first = createDmaRegion(device, { byteLength: 4096 })
    const second = createDmaRegion(device, { byteLength: 4096 })
    const handle = first.mapSingle(0, 64, DmaDirection.ToDevice)
    second.mapSingle(0, 64, DmaDirection.ToDevice)
    expect(() => second.unmapSingle(handle)).toThrow(/DMA_NOT_MAPPED/)
  })

  it('know that a mapping has ended even when its handle comes round again', () => {
    const { device } = setUp()
    const region = createDmaRegion(device, { byteLength: 4096 })
    const mapping = dmaMapSingle(device, region.bytes, DmaDirection.ToDevice)
    mapping.unmap()
    for (let reuse = 1; reuse < 4096; reuse++) {
      region.unmapSingle(region.mapSingle(0, 1, DmaDirection.ToDevice))
    }
    region.mapSingle(0, 1, DmaDirection.ToDevice)
    expect(mapping.mapped).toBe(false)
    mapping[Symbol.dispose]()
    expect(region.liveMappings).toBe(1)
  })

  it('close every child of a device, newest first, even where one fails', () => {
    const closed: number[] = []
    const { device } = setUp()
    for (const id of [1, 2, 3]) {
      device.adopt({
        dmaAddress: dmaAddress(0),
        byteLength: 1,
        coherent: false,
        close() {
          closed.push(id)
          if (id === 2) throw new Error('2 fails')
        },
      })
    }
    expect(() => device.close()).toThrow('2 fails')
    expect(closed).toEqual([3, 2, 1])
  })
})
