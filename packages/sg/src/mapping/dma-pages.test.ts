import { allocateDmaMemory, createDmaRegion, DmaDirection, dmaSetMaxSegSize, toNumber } from '@linux-dma/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { withEngine } from '../../test-support/device'
import { mapChunks } from '../chunks/map-chunks'
import { SgTable } from '../table/sg-table'
import { dmaMapSgtable } from './map-sgtable'

const { ToDevice } = DmaDirection
const PAGE = 4096

const pieces = fc.array(
  fc.record({
    start: fc.integer({ min: 0, max: 20 * PAGE }),
    byteLength: fc.oneof(fc.constantFrom(PAGE, 5 * PAGE), fc.integer({ min: 1, max: 9 * PAGE })),
  }),
  { minLength: 1, maxLength: 9 },
)

describe('pages of a mapped table', () => {
  it('have every byte in its order, each within a page, with as few steps as that takes', () => {
    fc.assert(
      fc.property(pieces, fc.constantFrom(PAGE, 4 * PAGE, 65_536), fc.boolean(), (list, pageSize, inRegion) =>
        withEngine({ checks: 'off' }, (device) => {
          dmaSetMaxSegSize(device, 7 * PAGE)
          using memory = allocateDmaMemory({ byteLength: 32 * PAGE, kernel: device.kernel })
          if (inRegion) createDmaRegion(device, { memory })
          const table = SgTable.fromBuffers(
            list.map(({ start, byteLength }) => memory.bytes.subarray(start, start + byteLength)),
          )
          using mapped = dmaMapSgtable(device, table, ToDevice)
          const pages = Array.from(mapped.dmaPages(pageSize), ({ dmaAddress, byteLength }) => ({
            first: toNumber(dmaAddress),
            last: toNumber(dmaAddress) + byteLength - 1,
          }))
          const expected: typeof pages = []
          for (const { dmaAddress, dmaLength } of mapped) {
            const end = toNumber(dmaAddress) + dmaLength
            for (let first = toNumber(dmaAddress); first < end; ) {
              const next = Math.min(end, (Math.floor(first / pageSize) + 1) * pageSize)
              expected.push({ first, last: next - 1 })
              first = next
            }
          }
          expect(pages).toEqual(expected)
        }),
      ),
      { numRuns: 100 },
    )
  })

  it('come through one object, for parts and chunks as well, and end with the mapping', () => {
    withEngine({}, (device) => {
      using region = createDmaRegion(device, { byteLength: 8 * PAGE })
      const base = toNumber(region.dmaAddress)
      const table = SgTable.fromBuffers([region.bytes.subarray(100, 3 * PAGE)])
      const mapped = dmaMapSgtable(device, table, ToDevice)
      const seen = new Set(mapped.dmaPages())
      expect(seen.size).toBe(1)
      const [, part] = mapped.split({ sizes: [PAGE, PAGE] })
      const stepsOf = (pages: Iterable<{ dmaAddress: never; byteLength: number }>) =>
        Array.from(pages, ({ dmaAddress, byteLength }) => [toNumber(dmaAddress) - base, byteLength])
      expect(stepsOf(part!.dmaPages() as never)).toEqual([
        [PAGE + 100, PAGE - 100],
        [2 * PAGE, 100],
      ])
      const chunks = mapChunks(device, table, ToDevice, { maxBytes: 2 * PAGE })
      const [steps] = Array.from(chunks, (chunk) => stepsOf(chunk.dmaPages() as never))
      expect(steps).toEqual([
        [100, PAGE - 100],
        [PAGE, PAGE],
        [2 * PAGE, 100],
      ])
      for (const pageSize of [0, 512, 4097, Number.NaN, '4096' as never, 2 ** 31]) {
        expect(() => mapped.dmaPages(pageSize)).toThrow('DMA_INVALID_ARGUMENT')
      }
      const pages = mapped.dmaPages()
      expect(pages.next().done).toBe(false)
      mapped.unmap()
      expect(() => pages.next()).toThrow('DMA_NOT_MAPPED')
    })
  })
})
