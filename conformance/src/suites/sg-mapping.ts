import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  createDmaRegion,
  type DmaAddress,
  DmaDirection,
  dmaAllocCoherent,
  dmaBitMask,
  dmaSetMaxSegSize,
  dmaSetSegBoundary,
  toNumber,
} from '@linux-dma/core'
import { type DmaSegments, dmaMapSgtable, dmaUnmapSgtable, type Nents, SgTable } from '@linux-dma/sg'
import { openVfioDevice } from '@linux-dma/vfio'
import { fillPattern } from '../edu'
import { listOf, readByDevice, ready, writeByDevice } from '../edu-table'
import type { Host, Runner } from '../host'
import { refusal, withDevice, withoutLeaks } from '../with-device'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection
const entryLimit = '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit'

/** Scatterlists of real memory in the hands of a real device. */
export function sgMapping({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const allocate = (pages: number) => allocateDmaMemory({ byteLength: pages * page, kernel })

  describe('sg mapping', () => {
    it('lets a device read a table of several memories, from odd offsets, in order', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using first = allocate(3)
        using second = allocate(2)
        using sink = dmaAllocCoherent(device, 8 * page)
        fillPattern(first.bytes, 1)
        fillPattern(second.bytes, 2)
        const table = SgTable.fromBuffers([
          first.bytes.subarray(4001, 4097),
          second.bytes.subarray(7, 5000),
          first.bytes.subarray(8192, 12288),
          second.bytes.subarray(8000),
        ])
        const expected = new Uint8Array(table.byteLength)
        table.copyToBuffer(expected)
        using mapped = dmaMapSgtable(device, table, ToDevice)
        assert.equal(mapped.nents, 4)
        assert.deepEqual(await readByDevice(registers, mapped, sink), expected)
        dmaUnmapSgtable(device, mapped)
        assert.equal(device.children.size, 1)
      }))

    it('lets a device write all of a table and nothing beside it', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using memory = allocate(4)
        using source = dmaAllocCoherent(device, 4 * page)
        fillPattern(source.bytes, 5)
        memory.bytes.fill(0xee)
        const table = SgTable.fromBuffers([
          memory.bytes.subarray(page + 100, page + 1100),
          memory.bytes.subarray(3 * page + 8, 3 * page + 9),
          memory.bytes.subarray(10, 4100),
        ])
        const mapped = dmaMapSgtable(device, table, FromDevice)
        assert.equal(await writeByDevice(registers, mapped, source), table.byteLength)
        dmaUnmapSgtable(device, mapped)
        const bytes = new Uint8Array(table.byteLength)
        table.copyToBuffer(bytes)
        assert.deepEqual(bytes, source.bytes.slice(0, table.byteLength))
        table.zero()
        assert.equal(
          memory.bytes.filter((byte) => byte === 0xee).length,
          memory.byteLength - table.byteLength,
        )
      }))

    it('joins pages that lie apart in memory into one segment, and lets the device through', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using memory = allocate(8)
        using sink = dmaAllocCoherent(device, 8 * page)
        fillPattern(memory.bytes, 7)
        const table = SgTable.fromPages([6, 1, 4, 2], { memory, byteOffset: 50, byteLength: 3 * page + 10 })
        assert.equal(table.origNents, 4)
        const expected = new Uint8Array(table.byteLength)
        table.copyToBuffer(expected)
        using mapped = dmaMapSgtable(device, table, ToDevice)
        assert.deepEqual([mapped.nents, mapped.table.origNents], [1, 4])
        assert.equal(mapped.dmaLengthAt(0), table.byteLength)
        assert.equal(toNumber(mapped.dmaAddressAt(0)) % page, 50)
        refusal(() => mapped.dmaAddressAt(1), 'DMA_RANGE', /nents/)
        refusal(() => mapped.dmaLengthAt(1), 'DMA_RANGE')
        refusal(() => mapped.dmaAddressAt(-1), 'DMA_RANGE')
        refusal(() => mapped.dmaAddressAt(0.5), 'DMA_RANGE')
        const base = toNumber(mapped.dmaAddressAt(0)) - 50
        const pages = Array.from(mapped.dmaPages(), ({ dmaAddress, byteLength }) => [
          toNumber(dmaAddress) - base,
          byteLength,
        ])
        const expectedPages = [
          [50, page - 50],
          [page, page],
          [2 * page, page],
          [3 * page, 60],
        ]
        assert.deepEqual(pages, expectedPages)
        assert.deepEqual(await readByDevice(registers, mapped, sink), expected)
      }))

    it('keeps segments within the boundary and the longest length of the device', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        dmaSetSegBoundary(device, dmaBitMask(13))
        dmaSetMaxSegSize(device, 2 * page)
        using memory = allocate(16)
        using sink = dmaAllocCoherent(device, 16 * page)
        fillPattern(memory.bytes, 9)
        const table = SgTable.fromBuffers([
          memory.bytes.subarray(0, page),
          memory.bytes.subarray(5 * page, 7 * page),
          memory.bytes.subarray(9 * page + 5, 10 * page),
          memory.bytes.subarray(12 * page, 13 * page),
          memory.bytes.subarray(15 * page),
        ])
        const expected = new Uint8Array(table.byteLength)
        table.copyToBuffer(expected)
        using mapped = dmaMapSgtable(device, table, ToDevice)
        for (const { address, byteLength } of listOf(mapped)) {
          assert.ok(byteLength <= 2 * page)
          assert.equal(Math.floor(address / 8192), Math.floor((address + byteLength - 1) / 8192))
        }
        assert.deepEqual(await readByDevice(registers, mapped, sink), expected)
      }))

    it('finds what lies in a region by arithmetic, with no entry of the IOMMU more', () =>
      withoutLeaks(host, async () => {
        const before = kernel.readText(entryLimit)
        kernel.writeText(entryLimit, '1')
        try {
          using device = ready(openVfioDevice(host.edu, { kernel }))
          const registers = device.bar(0)
          using region = createDmaRegion(device, { byteLength: 16 * page })
          fillPattern(region.bytes, 11)
          const pages = [1, 2, 3, 7, 5, 6]
          const table = SgTable.fromPages(pages, { memory: region.memory })
          using mapped = dmaMapSgtable(device, table, Bidirectional)
          assert.deepEqual(listOf(mapped), [
            { address: toNumber(region.dmaAddress) + page, byteLength: 3 * page },
            { address: toNumber(region.dmaAddress) + 7 * page, byteLength: page },
            { address: toNumber(region.dmaAddress) + 5 * page, byteLength: 2 * page },
          ])
          const to = region.mapSingle(8 * page, 6 * page, FromDevice)
          const sink = { dmaAddress: region.addressOf(to), bytes: region.bytes.subarray(8 * page) }
          const expected = new Uint8Array(table.byteLength)
          table.copyToBuffer(expected)
          const seen = await readByDevice(registers, mapped, sink)
          region.unmapSingle(to)
          assert.deepEqual(seen, expected)
          region.close()
          assert.equal(mapped.mapped, false)
          refusal(() => mapped.dmaAddressAt(0), 'DMA_NOT_MAPPED')
          refusal(() => mapped.unmap(), 'DMA_NOT_MAPPED')
        } finally {
          kernel.writeText(entryLimit, before.trim())
        }
      }))

    it('maps more than a thousand segments that lie apart, and gives all of them back', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        const count = 1031
        using memory = allocate(2 * count)
        using sink = dmaAllocCoherent(device, 4 * page)
        for (let i = 0; i < count; i++) memory.bytes.fill(i & 0xff, 2 * i * page, 2 * i * page + 1)
        const table = SgTable.fromSegments(
          Array.from({ length: count }, (_, i) => ({ page: 2 * i, byteOffset: 0, byteLength: 1 })),
          { memory },
        )
        {
          using mapped = dmaMapSgtable(device, table, ToDevice)
          assert.equal(mapped.nents, count)
          for (const i of [3, 503, 1030]) {
            const [byte] = await readByDevice(registers, onlyOne(mapped.dmaAddressAt(i)), sink)
            assert.equal(byte, i & 0xff)
          }
        }
        const whole = dmaMapSgtable(device, SgTable.fromPages(shuffled(count), { memory }), ToDevice)
        assert.ok(whole.nents < whole.table.origNents)
        whole.unmap()
        assert.equal(device.children.size, 1)
      }))
  })
}

function onlyOne(dmaAddress: DmaAddress): DmaSegments {
  return {
    nents: 1 as Nents,
    dmaAddressAt: () => dmaAddress,
    dmaLengthAt: () => 1,
    [Symbol.iterator]: () => [{ index: 0, dmaAddress, dmaLength: 1 }][Symbol.iterator](),
  }
}

/** Every other page, in an order that joins nothing in memory. */
function shuffled(count: number): number[] {
  const pages = Array.from({ length: count }, (_, i) => 2 * i)
  for (let i = pages.length - 1; i > 0; i--) {
    const j = (i * 7919 + 13) % (i + 1)
    ;[pages[i], pages[j]] = [pages[j]!, pages[i]!]
  }
  return pages
}
