import {
  allocateDmaMemory,
  bounceOps,
  createDmaRegion,
  DmaDirection,
  dmaBitMask,
  dmaSetMaxSegSize,
  dmaSetSegBoundary,
  getDmaOps,
  setDmaOps,
  toNumber,
} from '@linux-dma/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { plainOps, withEngine } from '../../test-support/device'
import type { Nents, OrigNents } from '../table/counts'
import { SgTable } from '../table/sg-table'
import { dmaUnmapSg } from './end-and-sync'
import { dmaMapSg, dmaMapSgtable } from './map-sgtable'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection
const PAGE = 4096

/** Pieces of two memories of 12 pages, one of them in a region, and of a heap buffer. */
const pieces = fc.array(
  fc.record({
    of: fc.constantFrom(0, 0, 1, 1, 2),
    start: fc.oneof(
      fc.integer({ min: 0, max: 11 }).map((page) => page * PAGE),
      fc.integer({ min: 0, max: 12 * PAGE - 1 }),
    ),
    byteLength: fc.oneof(fc.constantFrom(PAGE, 2 * PAGE), fc.integer({ min: 1, max: 3 * PAGE })),
  }),
  { minLength: 1, maxLength: 25 },
)

const paths = fc.constantFrom('vfio', 'bounce', 'force', 'plain')

describe('a mapped table', () => {
  it('shows a device the bytes of its segments, within the rules, and nothing is left of it', () => {
    fc.assert(
      fc.property(
        pieces,
        paths,
        fc.constantFrom(12, 13, 14, 16, 40),
        fc.constantFrom(PAGE, 3 * PAGE, 65536),
        (list, path, bits, maxSegment) =>
          // Segments that are longer than the device takes, or cross its boundary, are as they are.
          withEngine({ checks: 'off' }, (device, engine) => {
            const { kernel } = device
            const bounces = path === 'bounce' || path === 'force'
            // What has to stay within less than its own length can be mapped in place, and not bounced.
            const boundaryBits = bounces ? Math.max(bits, 16) : bits
            dmaSetSegBoundary(device, dmaBitMask(boundaryBits))
            dmaSetMaxSegSize(device, maxSegment)
            const inner = getDmaOps(device)
            if (bounces) setDmaOps(device, bounceOps(inner, { byteLength: 1 << 20, force: path === 'force' }))
            if (path === 'plain') setDmaOps(device, plainOps(inner))
            using first = allocateDmaMemory({ byteLength: 12 * PAGE, kernel })
            using second = allocateDmaMemory({ byteLength: 12 * PAGE, kernel })
            using _region = createDmaRegion(device, { memory: second })
            const heap = new Uint8Array(12 * PAGE)
            const buffers = [first.bytes, second.bytes, bounces ? heap : first.bytes]
            for (const [i, bytes] of buffers.entries()) bytes.fill(i + 1)
            const table = SgTable.fromBuffers(
              list.map(({ of, start, byteLength }) => buffers[of]!.subarray(start, start + byteLength)),
            )
            const expected = new Uint8Array(table.byteLength)
            table.copyToBuffer(expected)
            const children = device.children.size
            const mapped = dmaMapSgtable(device, table, ToDevice)
            expect(engine.gather(mapped).equals(expected)).toBe(true)
            expect(mapped.nents).toBeLessThanOrEqual(mapped.table.origNents)
            const span = 2 ** boundaryBits
            const longest = Math.max(...Array.from(table, ({ byteLength }) => byteLength))
            for (const { dmaAddress, dmaLength } of mapped) {
              expect(dmaLength).toBeLessThanOrEqual(Math.max(longest, maxSegment))
              const [begin, end] = [toNumber(dmaAddress), toNumber(dmaAddress) + dmaLength]
              // The kernel's direct path does not look at it; a segment that is longer has to cross.
              if (path !== 'vfio' || dmaLength + PAGE > span) continue
              expect(Math.floor(begin / span)).toBe(Math.floor((end - 1) / span))
            }
            mapped.unmap()
            // A pool of slots stays with its device.
            expect(device.children.size).toBeLessThanOrEqual(children + (bounces ? 1 : 0))
          }),
      ),
      { numRuns: 150 },
    )
  })

  it('takes what a device writes, and nothing beside it changes', () => {
    fc.assert(
      fc.property(pieces, paths, (list, path) =>
        withEngine({}, (device, engine) => {
          const { kernel } = device
          const inner = getDmaOps(device)
          const bounces = path === 'bounce' || path === 'force'
          if (bounces) setDmaOps(device, bounceOps(inner, { byteLength: 1 << 20, force: path === 'force' }))
          if (path === 'plain') setDmaOps(device, plainOps(inner))
          using memory = allocateDmaMemory({ byteLength: 12 * PAGE, kernel })
          memory.bytes.fill(0xee)
          // Each byte once: two segments of the same bytes would be a driver's mistake.
          const marks = new Uint8Array(12 * PAGE)
          const views: Uint8Array[] = []
          for (const { start, byteLength } of list) {
            const end = Math.min(start + byteLength, marks.length)
            if (marks.subarray(start, end).includes(1)) continue
            marks.fill(1, start, end)
            views.push(memory.bytes.subarray(start, end))
          }
          const table = SgTable.fromBuffers(views)
          const mapped = dmaMapSgtable(device, table, FromDevice)
          engine.scatter(mapped)
          mapped.syncForCpu()
          const bytes = new Uint8Array(table.byteLength)
          expect(mapped.copyToBuffer(bytes)).toBe(bytes.length)
          mapped.unmap()
          expect(bytes.findIndex((byte, i) => byte !== (i & 0xff))).toBe(-1)
          expect(memory.bytes.findIndex((byte, i) => marks[i] === 0 && byte !== 0xee)).toBe(-1)
        }),
      ),
      { numRuns: 100 },
    )
  })

  it('leaves nothing behind, whichever of its system calls fails', () => {
    const map = 'ioctl(VFIO_IOMMU_MAP_DMA)'
    for (let nth = 1; nth <= 5; nth++) {
      withEngine({}, (device, _engine, machine) => {
        using memory = allocateDmaMemory({ byteLength: 12 * PAGE, kernel: machine.kernel })
        const table = SgTable.fromPages([0, 2, 4, 6, 8], { memory })
        machine.failCall({ syscall: map, nth, code: 'ENOMEM' })
        expect(() => dmaMapSgtable(device, table, ToDevice)).toThrow('ENOMEM')
        expect(device.children.size).toBe(0)
        expect(memory.quarantined).toBe(false)
        using again = dmaMapSgtable(device, table, ToDevice)
        expect(again.nents).toBe(1)
      })
    }
  })

  it('puts memory in quarantine whose unmap fails, until the device is closed', () => {
    withEngine({}, (device, _engine, machine) => {
      const memories = [0, 1].map(() => allocateDmaMemory({ byteLength: PAGE, kernel: machine.kernel }))
      const table = SgTable.fromBuffers(memories.map(({ bytes }) => bytes))
      const mapped = dmaMapSgtable(device, table, ToDevice)
      const address = toNumber(mapped.dmaAddressAt(0))
      machine.failCall({ syscall: 'ioctl(VFIO_IOMMU_UNMAP_DMA)', code: 'EIO' })
      expect(() => mapped.unmap()).toThrow('EIO')
      expect(mapped.mapped).toBe(false)
      for (const memory of memories) expect(memory.quarantined).toBe(true)
      expect(() => dmaMapSgtable(device, table, ToDevice)).toThrow('DMA_QUARANTINED')
      using region = createDmaRegion(device, { byteLength: PAGE })
      expect(toNumber(region.dmaAddress)).not.toBe(address)
      device.close()
      for (const memory of memories) expect([memory.closed, memory.quarantined]).toEqual([true, false])
    })
  })

  it('tells of the first failure where the undoing fails too, with the memory in quarantine', () => {
    withEngine({}, (device, _engine, machine) => {
      const memory = allocateDmaMemory({ byteLength: 12 * PAGE, kernel: machine.kernel })
      const table = SgTable.fromPages([0, 2, 4], { memory })
      machine.failCall({ syscall: 'ioctl(VFIO_IOMMU_MAP_DMA)', nth: 3, code: 'ENOMEM' })
      machine.failCall({ syscall: 'ioctl(VFIO_IOMMU_UNMAP_DMA)', code: 'EIO' })
      expect(() => dmaMapSgtable(device, table, ToDevice)).toThrow('ENOMEM')
      expect([memory.quarantined, device.children.size]).toEqual([true, 0])
    })
  })

  it('shows nothing of the next table through one that was unmapped', () => {
    withEngine({}, (device) => {
      using region = createDmaRegion(device, { byteLength: 8 * PAGE })
      const map = (page: number) =>
        dmaMapSgtable(device, SgTable.fromPages([page], { memory: region.memory }), ToDevice)
      const first = map(1)
      const [part] = first.split({ sizes: [10] })
      const iterator = first[Symbol.iterator]()
      first.unmap()
      using second = map(5)
      expect(toNumber(second.dmaAddressAt(0))).toBe(toNumber(region.dmaAddress) + 5 * PAGE)
      for (const use of [
        () => first.dmaAddressAt(0),
        () => first.dmaLengthAt(0),
        () => part!.dmaAddressAt(0),
        () => iterator.next(),
        () => first.copyToBuffer(new Uint8Array(1)),
        () => first.unmap(),
      ]) {
        expect(use).toThrow('DMA_NOT_MAPPED')
      }
      first[Symbol.dispose]()
      expect(second.mapped).toBe(true)
    })
  })

  it('keeps arrays of its own where another table is mapped at the same time', () => {
    withEngine({}, (device, engine) => {
      using region = createDmaRegion(device, { byteLength: 64 * PAGE })
      for (let i = 0; i < 64; i++) region.bytes.fill(i, i * PAGE, (i + 1) * PAGE)
      const table = (first: number, count: number) =>
        SgTable.fromPages(
          Array.from({ length: count }, (_, i) => first + 2 * i),
          { memory: region.memory },
        )
      const live = new Map<ReturnType<typeof dmaMapSgtable>, number>()
      for (let round = 0; round < 200; round++) {
        const first = (round * 7) % 30
        live.set(dmaMapSgtable(device, table(first, 1 + (round % 17)), ToDevice), first)
        if (live.size > 5) {
          const [oldest] = live.keys()
          oldest!.unmap()
          live.delete(oldest!)
        }
        for (const [mapped, page] of live) {
          const bytes = engine.gather(mapped)
          expect([bytes[0], bytes[bytes.length - 1]]).toEqual([page, page + 2 * (mapped.table.origNents - 1)])
        }
      }
      for (const mapped of live.keys()) mapped.unmap()
    })
  })

  it('unmaps the segments before one that fails, each by itself, and says EIO', () => {
    withEngine({}, (device, _engine, machine) => {
      setDmaOps(device, plainOps(getDmaOps(device)))
      using memory = allocateDmaMemory({ byteLength: 12 * PAGE, kernel: machine.kernel })
      const table = SgTable.fromPages([0, 2, 4], { memory })
      machine.failCall({ syscall: 'ioctl(VFIO_IOMMU_MAP_DMA)', nth: 3, code: 'EEXIST' })
      expect(() => dmaMapSgtable(device, table, ToDevice)).toThrow(/EIO: segment 2 .*EEXIST/)
      expect(device.children.size).toBe(0)
      machine.failCall({ syscall: 'ioctl(VFIO_IOMMU_MAP_DMA)', nth: 2, code: 'ENOMEM' })
      expect(() => dmaMapSgtable(device, table, ToDevice)).toThrow(/^ENOMEM/)
      using mapped = dmaMapSgtable(device, table, ToDevice)
      expect(mapped.nents).toBe(3)
      expect(device.children.size).toBe(3)
    })
  })

  it('syncs each segment once on a path that is not coherent, and not where it is told not to', () => {
    withEngine({}, (device) => {
      const syncs: string[] = []
      const path = plainOps(getDmaOps(device), syncs)
      setDmaOps(device, path)
      using region = createDmaRegion(device, { byteLength: 4 * PAGE })
      const table = SgTable.fromPages([0, 2], { memory: region.memory })
      const base = toNumber(region.dmaAddress)
      const lines = (verb: string) =>
        [0, 2].map((page) => `${verb} ${(base + page * PAGE).toString(16)}+4096`)
      const mapped = dmaMapSgtable(device, table, Bidirectional)
      mapped.syncForCpu()
      mapped.syncForDevice()
      mapped.unmap()
      expect(syncs).toEqual(['device', 'cpu', 'device', 'cpu'].flatMap(lines))
      syncs.length = 0
      dmaMapSgtable(device, table, Bidirectional, 1 << 5).unmap(1 << 5)
      expect(syncs).toEqual([])
      expect(() => dmaMapSgtable(device, table, Bidirectional, 1 << 12)).toThrow('DMA_NOT_COHERENT')
    })
  })

  it('gives frames to a device whose path does not translate, below its mask', () => {
    withEngine({}, (device) => {
      const physical = { ...plainOps(getDmaOps(device)), physical: true }
      setDmaOps(device, physical)
      using mapped = dmaMapSgtable(device, SgTable.fromPages([5, 6, 9], { byteOffset: 10 }), ToDevice)
      expect(Array.from(mapped, ({ dmaAddress, dmaLength }) => [toNumber(dmaAddress), dmaLength])).toEqual([
        [5 * PAGE + 10, 2 * PAGE - 10],
        [9 * PAGE, PAGE],
      ])
      const above = SgTable.fromPages([2 ** 20 - 1, 2 ** 20])
      expect(() => dmaMapSgtable(device, above, ToDevice)).toThrow(/EIO: segment 0 .* DMA_ABOVE_MASK/)
    })
  })

  it('does not compile with the count of the other kind', () => {
    withEngine({}, (device, _engine, { kernel }) => {
      using memory = allocateDmaMemory({ byteLength: 4 * PAGE, kernel })
      const table = SgTable.fromPages([2, 0], { memory })
      const mapped = dmaMapSg(device, table, table.origNents, ToDevice)
      const nents: Nents = mapped.nents
      const origNents: OrigNents = mapped.table.origNents
      expect([nents, origNents]).toEqual([1, 2])
      // @ts-expect-error: what the device sees is not what an unmap counts
      expect(() => dmaUnmapSg(device, mapped, nents)).toThrow('DMA_WRONG_NENTS')
      // @ts-expect-error: nor what a map counts
      dmaMapSg(device, table, nents, ToDevice).unmap()
      // @ts-expect-error: and the other way round
      const wrong: Nents = origNents
      expect(wrong).toBe(2)
      // @ts-expect-error: where the DMA addresses are there is no such count to loop to
      expect(mapped.origNents).toBeUndefined()
      dmaUnmapSg(device, mapped, origNents)
    })
  })
})
