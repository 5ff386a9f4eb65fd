import {
  allocateDmaMemory,
  bounceOps,
  createDmaRegion,
  DmaDirection,
  getDmaOps,
  setDmaOps,
  toNumber,
} from '@linux-dma/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { plainOps, withEngine } from '../../test-support/device'
import { SgTable } from '../table/sg-table'
import type { ChunkTransferError } from './chunk-transfer-error'
import { forEachChunk } from './for-each-chunk'
import { mapChunks } from './map-chunks'

const { ToDevice, FromDevice } = DmaDirection
const PAGE = 4096

const pieces = fc.array(
  fc.record({
    of: fc.constantFrom(0, 0, 1, 1, 2),
    start: fc.oneof(
      fc.integer({ min: 0, max: 15 }).map((page) => page * PAGE),
      fc.integer({ min: 0, max: 16 * PAGE - 1 }),
    ),
    byteLength: fc.oneof(fc.constantFrom(PAGE, 4 * PAGE), fc.integer({ min: 1, max: 9 * PAGE })),
  }),
  { minLength: 1, maxLength: 15 },
)

const limits = fc.record({
  maxBytes: fc.oneof(fc.constantFrom(PAGE, 65536, 2 ** 40), fc.integer({ min: 600, max: 100_000 })),
  maxSegments: fc.constantFrom(1, 2, 3, 16, Number.MAX_SAFE_INTEGER),
  boundary: fc.constantFrom(0xfff, 0x1fff, 0xffff, 0xffff_ffff),
  maxSegmentBytes: fc.oneof(fc.constantFrom(PAGE, 2 * PAGE, 65536), fc.integer({ min: 500, max: 40_000 })),
})

const paths = fc.constantFrom('vfio', 'vfio', 'bounce', 'force', 'plain')

describe('chunks', () => {
  it('hold every limit exactly, on every path, and add up to the table', () => {
    fc.assert(
      fc.property(pieces, limits, paths, (list, limit, path) =>
        withEngine({}, (device, engine) => {
          const { kernel } = device
          const inner = getDmaOps(device)
          const bounces = path === 'bounce' || path === 'force'
          if (bounces) setDmaOps(device, bounceOps(inner, { byteLength: 1 << 20, force: path === 'force' }))
          if (path === 'plain') setDmaOps(device, plainOps(inner))
          using first = allocateDmaMemory({ byteLength: 16 * PAGE, kernel })
          using region = createDmaRegion(device, { byteLength: 16 * PAGE })
          const heap = new Uint8Array(16 * PAGE)
          const buffers = [first.bytes, region.bytes, bounces ? heap : first.bytes]
          for (const bytes of buffers) bytes.set(bytes.map((_, i) => (i * 7 + (i >> 8)) & 0xff))
          const views = list.map(({ of, start, byteLength }) =>
            buffers[of]!.subarray(start, start + byteLength),
          )
          const table = SgTable.fromBuffers(views)
          const seen: Uint8Array[] = []
          let bytes = 0
          let index = 0
          for (const chunk of mapChunks(device, table, ToDevice, limit)) {
            expect([chunk.index, chunk.byteOffset]).toEqual([index++, bytes])
            expect(chunk.byteLength).toBeGreaterThan(0)
            expect(chunk.byteLength).toBeLessThanOrEqual(limit.maxBytes)
            expect(chunk.nents).toBeLessThanOrEqual(limit.maxSegments)
            let total = 0
            for (const { dmaAddress, dmaLength } of chunk) {
              expect(dmaLength).toBeLessThanOrEqual(limit.maxSegmentBytes)
              const begin = toNumber(dmaAddress) % (limit.boundary + 1)
              expect(begin + dmaLength).toBeLessThanOrEqual(limit.boundary + 1)
              total += dmaLength
            }
            expect(total).toBe(chunk.byteLength)
            seen.push(engine.gather(chunk))
            bytes += total
          }
          expect(bytes).toBe(table.byteLength)
          const expected = new Uint8Array(table.byteLength)
          table.copyToBuffer(expected)
          expect(Buffer.concat(seen).equals(expected)).toBe(true)
          expect(device.children.size).toBeLessThanOrEqual(bounces ? 2 : 1)
        }),
      ),
      { numRuns: 120 },
    )
  })

  it('cut a gigabyte into 4096, by arithmetic', () => {
    withEngine({}, (device) => {
      // Of frames, so that no gigabyte has to be there: what is asked is the arithmetic.
      setDmaOps(device, { ...plainOps(getDmaOps(device)), physical: true })
      const frames = Uint32Array.from({ length: 262_144 }, (_, i) => i + 1 + Math.floor(i / 20))
      const table = SgTable.fromPages(frames, { maxSegment: 65536 })
      let chunks = 0
      let bytes = 0
      for (const chunk of mapChunks(device, table, ToDevice, { maxBytes: 1 << 18, maxSegments: 128 })) {
        chunks++
        bytes += chunk.byteLength
      }
      expect([chunks, bytes]).toEqual([4096, 2 ** 30])
    })
  })

  it('are all unmapped, and the prefix is told, whichever system call fails', async () => {
    for (const syscall of ['ioctl(VFIO_IOMMU_MAP_DMA)', 'ioctl(VFIO_IOMMU_UNMAP_DMA)']) {
      for (let nth = 1; nth <= 6; nth++) {
        await withEngine({}, async (device, _engine, machine) => {
          const memory = allocateDmaMemory({ byteLength: 12 * PAGE, kernel: machine.kernel })
          const table = SgTable.fromPages([0, 2, 4, 6, 8, 10], { memory })
          machine.failCall({ syscall, nth, code: 'EFAULT' })
          const options = { maxBytes: PAGE, inFlight: 2 }
          const error: ChunkTransferError = await forEachChunk(device, table, FromDevice, options, () =>
            machine.kernel.clock.sleep(1),
          ).then(
            () => expect.fail('went through'),
            (reason) => reason,
          )
          expect([error.code, (error.cause as { code: string }).code]).toEqual([
            'DMA_TRANSFER_INCOMPLETE',
            'EFAULT',
          ])
          expect(error.bytesDone).toBe((nth - 1) * PAGE)
          expect(device.children.size).toBe(0)
          expect(memory.quarantined).toBe(syscall.includes('UNMAP'))
          if (!memory.quarantined) memory.close()
        })
      }
    }
  })

  it('end at the first failure of a loop, with nothing mapped', () => {
    withEngine({}, (device, _engine, machine) => {
      using memory = allocateDmaMemory({ byteLength: 12 * PAGE, kernel: machine.kernel })
      const table = SgTable.fromPages([0, 2, 4, 6], { memory })
      machine.failCall({ syscall: 'ioctl(VFIO_IOMMU_MAP_DMA)', nth: 3, code: 'ENOMEM' })
      const chunks = mapChunks(device, table, ToDevice, { maxBytes: PAGE })
      const lengths: number[] = []
      expect(() => {
        for (const { byteLength } of chunks) lengths.push(byteLength)
      }).toThrow('ENOMEM')
      expect(lengths).toEqual([PAGE, PAGE])
      expect(chunks.next().done).toBe(true)
      expect(device.children.size).toBe(0)
    })
  })

  it('count what is done without a gap, in whatever order it ends', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 8, maxLength: 8 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 0, max: 9 }),
        (sleeps, inFlight, failing) =>
          withEngine({}, async (device, _engine, machine) => {
            using region = createDmaRegion(device, { byteLength: 8 * PAGE })
            const table = SgTable.fromBuffers([region.bytes])
            const ended = new Set<number>()
            let flying = 0
            const transfer = async ({ index }: { index: number }) => {
              expect(++flying).toBeLessThanOrEqual(inFlight)
              await machine.kernel.clock.sleep(sleeps[index]!)
              flying--
              if (index === failing) throw new Error('failed')
              ended.add(index)
            }
            const options = { maxBytes: PAGE, inFlight }
            const run = forEachChunk(device, table, ToDevice, options, transfer)
            const done = await run.catch((error: ChunkTransferError) => error.bytesDone)
            let prefix = 0
            while (ended.has(prefix)) prefix++
            expect([done, flying]).toEqual([prefix * PAGE, 0])
            if (failing > 7) expect(done).toBe(8 * PAGE)
          }),
      ),
      { numRuns: 60 },
    )
  })
})
