// By the package's own name, as vfio does: its devices are then of the same class.
import { dmaPoolAlloc, dmaPoolCreate, type PoolHandle, toNumber } from '@linux-dma/core'
import { createFakeMachine, EduDevice } from '@linux-dma/testkit'
import { openVfioDevice } from '@linux-dma/vfio'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PoolBlocks } from './dma-pool-blocks'
import { poolLayout } from './dma-pool-layout'

const page = 4096
const powerOfTwo = (from: number, to: number) => fc.integer({ min: from, max: to }).map((bits) => 2 ** bits)

function openEdu() {
  const machine = createFakeMachine()
  const device = openVfioDevice(machine.addDevice(new EduDevice()).address, { kernel: machine.kernel })
  device.setMaster()
  return { machine, device }
}

/** Every offset of a unit, tried one after the other: where the next block can begin. */
function obviousOffsets(blockLength: number, unitLength: number, boundary: number): number[] {
  const found: number[] = []
  const crosses = (offset: number) =>
    Math.floor(offset / boundary) !== Math.floor((offset + blockLength - 1) / boundary)
  for (let offset = 0; offset + blockLength <= unitLength; ) {
    if (crosses(offset)) {
      offset++
    } else {
      found.push(offset)
      offset += blockLength
    }
  }
  return found
}

describe('the layout of a pool', () => {
  it('is what a search byte by byte finds', () => {
    const argument = fc.record({
      byteLength: fc.integer({ min: 1, max: 9000 }),
      alignment: powerOfTwo(0, 12),
      boundaryBits: fc.integer({ min: 0, max: 14 }),
    })
    fc.assert(
      fc.property(argument, ({ byteLength, alignment, boundaryBits }) => {
        const blockLength = Math.ceil(Math.max(byteLength, 16) / alignment) * alignment
        const boundary = boundaryBits === 0 || 2 ** boundaryBits < blockLength ? 0 : 2 ** boundaryBits
        const layout = poolLayout(byteLength, alignment, boundary, page)
        expect(layout.blockLength).toBe(blockLength)
        expect(layout.unitLength).toBe(Math.max(blockLength, page))
        expect(layout.offsets).toEqual(
          obviousOffsets(blockLength, layout.unitLength, boundary || layout.unitLength),
        )
        expect(layout.offsets.length).toBeGreaterThan(0)
        expect([Math.log2(layout.stride) % 1, layout.stride >= layout.unitLength]).toEqual([0, true])
      }),
    )
  })
})

describe('the blocks of a pool', () => {
  it('knows a handle for the next 4,095 uses of its block', () => {
    const blocks = new PoolBlocks()
    blocks.add([page])
    const first = blocks.take()
    blocks.give(first)
    for (let use = 0; use < 4095; use++) {
      const handle = blocks.take()
      expect(blocks.has(first)).toBe(false)
      blocks.give(handle)
    }
    expect(() => blocks.give(first)).toThrow(expect.objectContaining({ code: 'DMA_NOT_ALLOCATED' }))
  })
})

describe('a pool', () => {
  it('agrees with a model of it, whatever is taken and given back', () => {
    const step = fc.record({ take: fc.boolean(), which: fc.nat(1000) })
    const shape = fc.record({
      byteLength: fc.integer({ min: 1, max: 6000 }),
      alignment: powerOfTwo(0, 13),
      boundaryBits: fc.integer({ min: 13, max: 17 }),
      check: fc.boolean(),
    })
    fc.assert(
      fc.property(shape, fc.array(step, { maxLength: 120 }), ({ byteLength, alignment, ...rest }, steps) => {
        const { machine, device } = openEdu()
        const boundary = 2 ** rest.boundaryBits
        fc.pre(boundary >= Math.ceil(byteLength / alignment) * alignment)
        {
          using pool = dmaPoolCreate('model', device, byteLength, alignment, boundary, { check: rest.check })
          const live = new Map<PoolHandle, { start: number; mark: number }>()
          for (const [i, { take, which }] of steps.entries()) {
            if (take || live.size === 0) {
              const handle = pool.get()
              const start = toNumber(pool.addressOf(handle))
              expect(live.has(handle)).toBe(false)
              expect(start % alignment).toBe(0)
              expect(Math.floor(start / boundary)).toBe(Math.floor((start + byteLength - 1) / boundary))
              for (const other of live.values()) {
                expect(Math.abs(other.start - start)).toBeGreaterThanOrEqual(Math.max(16, byteLength))
              }
              expect(pool.handleAt(pool.addressOf(handle))).toBe(handle)
              pool.bytesOf(handle).fill(i & 0xff)
              live.set(handle, { start, mark: i & 0xff })
            } else {
              const handle = [...live.keys()][which % live.size]!
              const { mark } = live.get(handle)!
              expect(pool.bytesOf(handle).every((byte) => byte === mark)).toBe(true)
              pool.put(handle)
              live.delete(handle)
              expect(() => pool.put(handle)).toThrow(expect.objectContaining({ code: 'DMA_NOT_ALLOCATED' }))
            }
            expect(pool.used).toBe(live.size)
          }
          for (const handle of live.keys()) pool.put(handle)
        }
        device.close()
        machine.assertQuiescent()
        expect(machine.warnings).toEqual([])
      }),
      { numRuns: 60 },
    )
  })

  it('tells a block of its own from one of another pool', () => {
    const { device } = openEdu()
    using first = dmaPoolCreate('first', device, 64)
    using second = dmaPoolCreate('second', device, 64)
    const block = first.get()
    const own = second.get()
    expect(() => second.put(block)).toThrow(expect.objectContaining({ code: 'DMA_NOT_ALLOCATED' }))
    first.put(block)
    second.put(own)
  })

  it('makes do with less where much cannot be had', () => {
    const { machine, device } = openEdu()
    machine.setCapabilities([])
    machine.setMemlockLimit(5 * page)
    using pool = dmaPoolCreate('small', device, 2048)
    const handles = Array.from({ length: 10 }, () => pool.get())
    expect(() => pool.get()).toThrow(expect.objectContaining({ code: 'ENOMEM' }))
    expect(pool.used).toBe(10)
    for (const handle of handles) pool.put(handle)
  })

  it('is as it was where it cannot grow, at whichever call', () => {
    for (const syscall of ['memfd_create', 'mmap', 'ioctl(VFIO_IOMMU_MAP_DMA)']) {
      const { machine, device } = openEdu()
      const pool = dmaPoolCreate('fails', device, 64)
      machine.failCall({ syscall, code: 'EIO' })
      expect(() => dmaPoolAlloc(pool)).toThrow(expect.objectContaining({ code: 'EIO' }))
      expect([pool.used, pool.blocks]).toEqual([0, 0])
      using block = dmaPoolAlloc(pool)
      expect(block.bytes.byteLength).toBe(64)
      device.close()
      machine.assertQuiescent()
    }
  })

  it('knows nothing of a block that was set aside, by handle or by address', () => {
    const { machine, device } = openEdu()
    using pool = dmaPoolCreate('checked', device, 64, 64, 0, { check: true })
    const spoilt = pool.get()
    const address = pool.addressOf(spoilt)
    const bytes = pool.bytesOf(spoilt)
    pool.put(spoilt)
    bytes[3] = 1
    expect(() => pool.get()).toThrow(expect.objectContaining({ code: 'DMA_POOL_CORRUPTED' }))
    expect(pool.used).toBe(0)
    expect(() => pool.handleAt(address)).toThrow(expect.objectContaining({ code: 'DMA_NOT_ALLOCATED' }))
    const all = Array.from({ length: pool.blocks - 1 }, () => pool.get())
    expect(all.map((handle) => pool.addressOf(handle))).not.toContain(address)
    expect(pool.used).toBe(pool.blocks - 1)
    for (const handle of all) pool.put(handle)
    expect(pool.used).toBe(0)
    pool.close()
    device.close()
    machine.assertQuiescent()
  })

  it('lets the view of a block be the same one each time', () => {
    const { device } = openEdu()
    using pool = dmaPoolCreate('views', device, 64)
    const handle = pool.get()
    const view = pool.bytesOf(handle)
    pool.put(handle)
    expect(pool.bytesOf(pool.get())).toBe(view)
    device.close()
  })
})
