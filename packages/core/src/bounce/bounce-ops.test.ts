import { DmaError } from '@linux-dma/native'
import { createFakeMachine } from '@linux-dma/testkit'
import { describe, expect, it } from 'vitest'
import { DmaDevice } from '../device/dma-device'
import type { DmaOps } from '../device/dma-ops'
import { dmaMaxMappingSize } from '../device/limits'
import { dmaBitMask, dmaSetMask } from '../device/masks'
import { dmaNeedSync } from '../device/need-sync'
import { setDmaOps } from '../device/set-dma-ops'
import { createDmaRegion } from '../mapping/create-region'
import { dmaMapSingle } from '../mapping/streaming'
import { allocateDmaMemory } from '../memory/allocate-memory'
import type { DmaMemory } from '../memory/memory'
import { type DmaAddress, dmaAddress, toNumber } from '../vocabulary/address'
import { DmaAttribute } from '../vocabulary/attributes'
import { DmaDirection } from '../vocabulary/direction'
import { type BounceOptions, bounceOps, bouncePoolOf } from './bounce-ops'
import type { Bouncer } from './bouncer'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection
const HUGE = 0x20_0000

/** A DMA path without an IOMMU whose addresses count up from `start`; the bus finds by them what is mapped. */
function plainPath(overrides: Partial<DmaOps> = {}, start = 0x10_0000) {
  const mapped: { address: number; memory: DmaMemory; byteOffset: number; byteLength: number }[] = []
  let next = start
  const ops: DmaOps = {
    name: 'plain',
    coherent: true,
    pins: true,
    mapPages(_device, memory, byteOffset, byteLength) {
      const address = next
      next += byteLength
      mapped.push({ address, memory, byteOffset, byteLength })
      return dmaAddress(address)
    },
    unmapPages(_device, address) {
      const i = mapped.findIndex((one) => one.address === toNumber(address))
      mapped.splice(i, 1)
    },
    supportsMask: () => true,
    requiredMask: () => 0xffff_ffffn,
    maxMappingSize: () => Number.MAX_SAFE_INTEGER,
    optMappingSize: () => Number.MAX_SAFE_INTEGER,
    ...overrides,
  }
  /** What a device finds at an address. */
  const bus = (address: DmaAddress, byteLength: number): Uint8Array => {
    const at = toNumber(address)
    const one = mapped.find((it) => at >= it.address && at + byteLength <= it.address + it.byteLength)
    if (!one) throw new Error(`nothing is mapped at 0x${at.toString(16)}`)
    const offset = one.byteOffset + at - one.address
    return one.memory.bytes.subarray(offset, offset + byteLength)
  }
  return { ops, mapped, bus }
}

function setUp(options: BounceOptions = {}, overrides: Partial<DmaOps> = {}, hugePages = 0) {
  const machine = createFakeMachine({ hugePages })
  const path = plainPath(overrides)
  const device = new DmaDevice('device', machine.kernel, path.ops)
  setDmaOps(device, bounceOps(path.ops, options))
  return { ...path, device, machine, kernel: machine.kernel }
}

function refuses(code: string) {
  return (): never => {
    throw new DmaError(code, 'refused')
  }
}

describe('bounceOps', () => {
  it('bounces what the path cannot be given in place', () => {
    for (const code of ['DMA_ABOVE_MASK', 'DMA_NOT_CONTIGUOUS']) {
      const { ops, bus } = plainPath()
      const mapPages: DmaOps['mapPages'] = (device, memory, ...rest) =>
        memory === unfit ? refuses(code)() : ops.mapPages(device, memory, ...rest)
      const { kernel } = createFakeMachine()
      const device = new DmaDevice('device', kernel, { ...ops, mapPages })
      const unfit: DmaMemory = allocateDmaMemory({ byteLength: 8192, kernel })
      const map = (attributes = 0) =>
        dmaMapSingle(device, unfit.bytes.subarray(10, 5000), ToDevice, attributes)
      expect(map).toThrow(code)
      setDmaOps(device, bounceOps(device.ops))
      unfit.bytes.fill(7)
      const mapping = map()
      expect(bus(mapping.dmaAddress, 4990).every((byte) => byte === 7)).toBe(true)
      expect(dmaNeedSync(device, mapping.dmaAddress)).toBe(true)
      expect(() => map(DmaAttribute.RequireCoherent)).toThrow('DMA_NOT_COHERENT')
      expect(() => createDmaRegion(device, { memory: unfit })).toThrow(code)
      unfit.close()
      expect(mapping.mapped).toBe(false)
      expect(bouncePoolOf(device)?.usedSlots).toBe(0)
      device.close()
      expect(kernel.live()).toEqual(createFakeMachine().kernel.live())
    }
  })

  it('lets every other refusal of the path through', () => {
    const { device, kernel } = setUp({}, { mapPages: refuses('ENOMEM') })
    const memory = allocateDmaMemory({ byteLength: 4096, kernel })
    expect(() => dmaMapSingle(device, memory.bytes, ToDevice)).toThrow('ENOMEM')
    const live = kernel.live()
    expect(() => dmaMapSingle(device, new Uint8Array(1), ToDevice)).toThrow('ENOMEM')
    expect(kernel.live()).toEqual(live)
    expect(device.children.size).toBe(0)
    memory.close()
  })

  it('takes slots from the first huge page in reach where the path wants them in one piece', () => {
    let tries = 0
    const mapPages: DmaOps['mapPages'] = (_device, memory) => {
      if (memory.hugePageSize !== HUGE) return refuses('DMA_NOT_CONTIGUOUS')()
      return ++tries === 3 ? dmaAddress(HUGE) : refuses('DMA_ABOVE_MASK')()
    }
    const { device, machine } = setUp({}, { mapPages }, 4)
    const mapping = dmaMapSingle(device, new Uint8Array(10), ToDevice)
    expect(toNumber(mapping.dmaAddress)).toBe(HUGE)
    expect(bouncePoolOf(device)?.totalSlots).toBe(HUGE / 2048)
    device.close()
    machine.assertQuiescent()
  })

  it('gives up where no huge page is in reach, with nothing kept', () => {
    for (const [code, hugePages, last] of [
      ['DMA_ABOVE_MASK', 3, 'DMA_ABOVE_MASK'],
      ['DMA_ABOVE_MASK', 100, 'DMA_ABOVE_MASK'],
      ['DMA_NOT_CONTIGUOUS', 100, 'DMA_NOT_CONTIGUOUS'],
      ['DMA_NOT_CONTIGUOUS', 0, 'DMA_NOT_CONTIGUOUS'],
    ] as const) {
      const { device, machine } = setUp({}, { mapPages: refuses(code) }, hugePages)
      expect(() => dmaMapSingle(device, new Uint8Array(10), ToDevice)).toThrow(last)
      expect(bouncePoolOf(device)).toBeUndefined()
      device.close()
      machine.assertQuiescent()
    }
  })

  it('bounces above the mask on a path that does not translate', () => {
    const { device, bus, kernel } = setUp()
    const region = createDmaRegion(device, { byteLength: 0x1_0000 })
    dmaMapSingle(device, new Uint8Array(1), ToDevice).unmap()
    // As a path does that looks at the mask of each transfer, and not when it maps.
    device.setMasks({ streaming: BigInt(toNumber(region.dmaAddress) + 0x7fff) })
    const below = region.mapSingle(0x7000, 0x1000, Bidirectional)
    expect(toNumber(region.addressOf(below))).toBe(toNumber(region.dmaAddress) + 0x7000)
    const above = region.mapSingle(0x7001, 0x1000, Bidirectional)
    expect(toNumber(region.addressOf(above))).not.toBe(toNumber(region.dmaAddress) + 0x7001)
    bus(region.addressOf(above), 0x1000).fill(3)
    region.unmapSingle(above)
    expect(region.bytes.subarray(0x7001, 0x8001).every((byte) => byte === 3)).toBe(true)
    expect(dmaMaxMappingSize(device)).toBe(262_144)
    device.close()
    expect(kernel.live()).toEqual(createFakeMachine().kernel.live())
  })

  it('has a pool for each device that shares it', () => {
    const { device, ops, kernel } = setUp()
    const other = new DmaDevice('other', kernel, device.ops)
    const [mine, its] = [device, other].map((one) => dmaMapSingle(one, new Uint8Array(3000), Bidirectional))
    expect([device, other].map((one) => bouncePoolOf(one)?.usedSlots)).toEqual([2, 2])
    expect(mine!.dmaAddress).not.toBe(its!.dmaAddress)
    expect(dmaNeedSync(device, its!.dmaAddress)).toBe(false)
    expect(() => device.ops.bouncer!.unmap(device, its!.dmaAddress, true)).toThrow('DMA_NOT_MAPPED')
    device.close()
    its!.syncForCpu()
    its!.unmap()
    other.close()
    const third = new DmaDevice('third', kernel, ops)
    expect(bouncePoolOf(third)).toBeUndefined()
    expect(kernel.live()).toEqual(createFakeMachine().kernel.live())
  })

  it('goes by the syncs of a path that is not coherent, after a copy there and before one back', () => {
    const calls: string[] = []
    const log = (verb: string) => (_device: DmaDevice, address: DmaAddress, byteLength: number) => {
      calls.push(`${verb} +${byteLength}: ${bus(address, 1)[0]}`)
    }
    const { device, bus } = setUp(
      {},
      { coherent: false, syncForCpu: log('cpu'), syncForDevice: log('device') },
    )
    const bytes = new Uint8Array(100).fill(1)
    const mapping = dmaMapSingle(device, bytes, Bidirectional)
    bytes.fill(2)
    mapping.syncForDevice(0, 50)
    bus(mapping.dmaAddress, 100).fill(3)
    mapping.syncForCpu(0, 10)
    mapping.unmap()
    expect(calls).toEqual(['device +100: 1', 'device +50: 2', 'cpu +10: 3', 'cpu +100: 3'])
    expect(bytes).toEqual(new Uint8Array(100).fill(3))
    const mapped = dmaMapSingle(device, bytes, FromDevice)
    mapped.unmap(DmaAttribute.SkipCpuSync)
    expect(calls.at(-1)).toBe('device +100: 3')
  })

  it('quarantines slots that the device could not be parted from', () => {
    const { device } = setUp({}, { unmapPages: refuses('EIO') })
    const mapping = dmaMapSingle(device, new Uint8Array(1), ToDevice)
    const [pool] = device.children as unknown as Set<{ memory?: DmaMemory }>
    expect(() => device.close()).toThrow('EIO')
    expect(mapping.mapped).toBe(false)
    expect(pool!.memory!.quarantined).toBe(true)
  })

  it('refuses a bouncer’s calls that no mapping answers', () => {
    const { device } = setUp()
    const { bouncer } = device.ops
    const nowhere = dmaAddress(5)
    expect(() => bouncer!.unmap(device, nowhere, true)).toThrow('DMA_NOT_MAPPED')
    const address = bouncer!.map(device, new Uint8Array(3000), Bidirectional)
    const later = dmaAddress(toNumber(address) + 2500)
    for (const wrong of [nowhere, dmaAddress(toNumber(address) + 4096), dmaAddress(toNumber(address) - 1)]) {
      expect(() => bouncer!.syncForCpu(device, wrong, 1)).toThrow('DMA_NOT_MAPPED')
      expect(() => bouncer!.unmap(device, wrong, true)).toThrow('DMA_NOT_MAPPED')
    }
    expect(() => bouncer!.unmap(device, later, true)).toThrow('DMA_NOT_MAPPED')
    bouncer!.syncForDevice(device, later, 500)
    for (const length of [501, 0, -1, Number.NaN]) {
      expect(() => bouncer!.syncForCpu(device, later, length)).toThrow('DMA_RANGE')
      expect(() => bouncer!.syncForDevice(device, later, length)).toThrow('DMA_RANGE')
    }
    bouncer!.unmap(device, address, false)
    expect(() => bouncer!.unmap(device, address, false)).toThrow('DMA_NOT_MAPPED')
    expect(bouncePoolOf(device)?.usedSlots).toBe(0)
  })

  it('knows what lies before a mapping in its first slot as none of it', () => {
    const { device } = setUp()
    device.parameters.minAlignMask = 0xff
    const bytes = new Uint8Array(256).subarray(100)
    const mapping = dmaMapSingle(device, bytes, Bidirectional)
    const before = dmaAddress(toNumber(mapping.dmaAddress) - 1)
    expect(() => device.ops.bouncer!.syncForCpu(device, before, 1)).toThrow('DMA_RANGE')
    expect(() => device.ops.bouncer!.syncForDevice(device, before, 1)).toThrow('DMA_RANGE')
  })

  it('copies nothing once the pool went with its device', () => {
    const { device } = setUp()
    const { bouncer } = device.ops
    const bytes = new Uint8Array(10).fill(1)
    const address = bouncer!.map(device, bytes, FromDevice)
    device.close()
    bouncer!.unmap(device, address, false)
    expect(bytes).toEqual(new Uint8Array(10).fill(1))
    expect(() => bouncer!.syncForCpu(device, address, 1)).toThrow('DMA_CLOSED')
    expect(() => bouncer!.map(device, bytes, FromDevice)).toThrow('DMA_CLOSED')
    expect(bouncer!.owns(device, address)).toBe(false)
  })

  it('ends a mapping of a region whose bytes could not be copied back, and unmaps the region all the same', () => {
    const { ops, mapped } = plainPath()
    const bouncer: Bouncer = {
      needed: () => true,
      map: () => dmaAddress(0x5000),
      unmap: refuses('DMA_DETACHED'),
      owns: () => false,
      syncForCpu() {},
      syncForDevice() {},
    }
    const device = new DmaDevice('device', createFakeMachine().kernel, { ...ops, bouncer })
    const region = createDmaRegion(device, { byteLength: 4096 })
    const handle = region.mapSingle(0, 10, Bidirectional)
    expect(() => region.unmapSingle(handle)).toThrow('DMA_DETACHED')
    expect(() => region.unmapSingle(handle)).toThrow('DMA_NOT_MAPPED')
    region.mapSingle(0, 10, Bidirectional)
    expect(() => region.close()).toThrow('DMA_DETACHED')
    expect(mapped).toEqual([])
  })

  it('refuses options that make no sense', () => {
    const { device, ops } = setUp()
    for (const options of [
      { size: 1 },
      { byteLength: 0 },
      { byteLength: -1 },
      { byteLength: 1.5 },
      { byteLength: Number.NaN },
      { byteLength: 2 ** 30 + 1 },
      { byteLength: 1n },
      { force: 1 },
      { untrusted: 'yes' },
      null,
    ]) {
      expect(() => bounceOps(ops, options as never)).toThrow('DMA_INVALID_ARGUMENT')
    }
    for (const inner of [undefined, null, {}, device.ops]) {
      expect(() => bounceOps(inner as never)).toThrow('DMA_INVALID_ARGUMENT')
    }
    expect(bouncePoolOf(new DmaDevice('plain', device.kernel, ops))).toBeUndefined()
    dmaSetMask(device, dmaBitMask(32))
    dmaMapSingle(device, new Uint8Array(1), ToDevice)
    expect(bouncePoolOf(device)).toMatchObject({ totalSlots: 512, usedSlots: 1, mostUsedSlots: 1 })
  })
})
