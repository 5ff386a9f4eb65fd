import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  bounceOps,
  createDmaRegion,
  type DmaAddress,
  DmaAttribute,
  DmaDirection,
  dmaAllocCoherent,
  dmaBitMask,
  dmaMmapCoherent,
  dmaSetMask,
  dmaSetMaxSegSize,
  dmaSetSegBoundary,
  getDmaOps,
  setDmaOps,
  toNumber,
} from '@linux-dma/core'
import {
  type DmaSegments,
  dmaAllocNoncontiguous,
  dmaFreeNoncontiguous,
  dmaGetSgtable,
  dmaMapSg,
  dmaMapSgtable,
  dmaMmapNoncontiguous,
  dmaSyncSgForCpu,
  dmaSyncSgForDevice,
  dmaSyncSgtableForCpu,
  dmaSyncSgtableForDevice,
  dmaUnmapSg,
  dmaUnmapSgtable,
  dmaVmapNoncontiguous,
  dmaVunmapNoncontiguous,
  type Nents,
  type OrigNents,
  SgTable,
} from '@linux-dma/sg'
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
        using sink = createDmaRegion(device, { byteLength: 8 * page })
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
        using source = createDmaRegion(device, { byteLength: 4 * page })
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
        using sink = createDmaRegion(device, { byteLength: 8 * page })
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
        using sink = createDmaRegion(device, { byteLength: 16 * page })
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
          const sink = {
            dmaAddress: region.addressAt(8 * page, 6 * page),
            bytes: region.bytes.subarray(8 * page),
          }
          const expected = new Uint8Array(table.byteLength)
          table.copyToBuffer(expected)
          assert.deepEqual(await readByDevice(registers, mapped, sink), expected)
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
        using sink = createDmaRegion(device, { byteLength: 4 * page })
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

    it('leaves nothing mapped where the entries of the IOMMU run out half way', () =>
      withoutLeaks(host, () => {
        const before = kernel.readText(entryLimit)
        kernel.writeText(entryLimit, '5')
        try {
          using device = ready(openVfioDevice(host.edu, { kernel }))
          using memory = allocate(20)
          const apart = (count: number) =>
            SgTable.fromPages(
              Array.from({ length: count }, (_, i) => 2 * i),
              { memory },
            )
          refusal(() => dmaMapSgtable(device, apart(6), ToDevice), 'ENOSPC', /createDmaRegion/)
          assert.equal(device.children.size, 0)
          using all = dmaMapSgtable(device, apart(5), ToDevice)
          refusal(() => dmaMapSgtable(device, apart(1), ToDevice), 'ENOSPC')
          all.unmap()
          using _again = dmaMapSgtable(device, apart(5), ToDevice)
        } finally {
          kernel.writeText(entryLimit, before.trim())
        }
      }))

    it('leaves nothing pinned where the memory-lock limit comes half way', () =>
      withoutLeaks(host, async () => {
        const outcome = await host.asUser('mapTableTooLarge', { ownsGroup: true, memlockBytes: 16 * page })
        assert.deepEqual([outcome.succeeded, outcome.code], [2, 'ENOMEM'], outcome.message)
        assert.deepEqual([outcome.leaked, outcome.lockedKilobytes], [0, 0])
      }))

    it('keeps the bytes from the CPU while the device owns them', () =>
      withDevice(host, (device) => {
        ready(device)
        using memory = allocate(2)
        const table = SgTable.fromBuffers([memory.bytes.subarray(0, 100), memory.bytes.subarray(5000, 5100)])
        const buffer = new Uint8Array(200)
        const mapped = dmaMapSgtable(device, table, Bidirectional)
        assert.equal(mapped.owner, 'device')
        refusal(() => mapped.copyToBuffer(buffer), 'DMA_DEVICE_OWNS', /dmaSyncSgtableForCpu/)
        refusal(() => mapped.copyFromBuffer(buffer), 'DMA_DEVICE_OWNS')
        dmaSyncSgtableForCpu(device, mapped)
        assert.equal(mapped.owner, 'cpu')
        assert.equal(mapped.copyFromBuffer(buffer.fill(3)), 200)
        assert.equal(mapped.copyToBuffer(buffer, 150), 50)
        dmaSyncSgtableForDevice(device, mapped)
        refusal(() => mapped.copyToBuffer(buffer), 'DMA_DEVICE_OWNS')
        dmaSyncSgForCpu(device, mapped, table.origNents)
        dmaSyncSgForDevice(device, mapped, table.origNents)
        refusal(() => dmaSyncSgForCpu(device, mapped, 1 as OrigNents), 'DMA_WRONG_NENTS', /origNents/)
        refusal(() => dmaSyncSgForDevice(device, mapped, 3 as OrigNents), 'DMA_WRONG_NENTS')
        mapped.unmap()
        assert.equal(mapped.owner, 'cpu')
        refusal(() => mapped.copyToBuffer(buffer), 'DMA_NOT_MAPPED')
      }))

    it('maps the first segments of a list, and wants the same count back', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using memory = allocate(6)
        using sink = createDmaRegion(device, { byteLength: 4 * page })
        fillPattern(memory.bytes, 13)
        const table = SgTable.fromPages([0, 2, 4], { memory, byteOffset: 4000 })
        const mapped = dmaMapSg(device, table, 2 as OrigNents, ToDevice)
        assert.deepEqual([mapped.table.origNents, mapped.nents, mapped.byteLength], [2, 1, 96 + page])
        const expected = new Uint8Array(mapped.byteLength)
        table.copyToBuffer(expected)
        assert.deepEqual(await readByDevice(registers, mapped, sink), expected)
        refusal(() => dmaUnmapSg(device, mapped, 1 as OrigNents), 'DMA_WRONG_NENTS', /origNents/)
        dmaUnmapSg(device, mapped, 2 as OrigNents)
        for (const count of [0, 4, -1, 1.5, Number.NaN]) {
          refusal(() => dmaMapSg(device, table, count as OrigNents, ToDevice), 'DMA_RANGE')
        }
      }))

    it('refuses what cannot be mapped, before anything happens', () =>
      withDevice(host, (device) => {
        using memory = allocate(2)
        const table = SgTable.fromBuffers([memory.bytes])
        refusal(() => dmaMapSgtable(device, table, ToDevice), 'DMA_BUS_MASTER_OFF', /setMaster/)
        ready(device)
        const heap = SgTable.fromBuffers([memory.bytes.subarray(0, 10), Buffer.from('hello')])
        refusal(() => dmaMapSgtable(device, heap, ToDevice), 'DMA_NOT_DMA_MEMORY', /bounceOps/)
        for (const nothing of [undefined, null, 5, [], memory.bytes]) {
          refusal(() => dmaMapSgtable(device, nothing as never, ToDevice), 'DMA_INVALID_ARGUMENT', /SgTable/)
          refusal(() => dmaUnmapSgtable(device, nothing as never), 'DMA_INVALID_ARGUMENT', /dmaMapSgtable/)
        }
        for (const direction of [3, 4, -1, '1', undefined]) {
          refusal(() => dmaMapSgtable(device, table, direction as 1), 'DMA_INVALID_ARGUMENT', /DmaDirection/)
        }
        refusal(() => dmaMapSgtable(device, table, ToDevice, DmaAttribute.Mmio), 'DMA_ATTRIBUTE')
        refusal(() => dmaMapSgtable(device, table, ToDevice, 1 << 20), 'DMA_INVALID_ARGUMENT')
        const frames = SgTable.fromPages([1000, 1001])
        refusal(() => dmaMapSgtable(device, frames, ToDevice), 'DMA_UNSUPPORTED', /fromBuffers/)
        dmaSetMask(device, dmaBitMask(14))
        const [large] = [allocate(4)]
        refusal(() => dmaMapSgtable(device, SgTable.fromBuffers([large.bytes]), ToDevice), 'ENOSPC')
        large.close()
        assert.equal(device.children.size, 0)
        memory.close()
        refusal(() => dmaMapSgtable(device, table, ToDevice), 'DMA_CLOSED')
      }))

    it('maps one table twice, each mapping its own', () =>
      withDevice(host, (device) => {
        ready(device)
        using memory = allocate(3)
        const table = SgTable.fromPages([2, 0], { memory })
        const one = dmaMapSgtable(device, table, ToDevice)
        using two = dmaMapSgtable(device, table, FromDevice)
        assert.notEqual(toNumber(one.dmaAddressAt(0)), toNumber(two.dmaAddressAt(0)))
        one.unmap()
        refusal(() => one.unmap(), 'DMA_NOT_MAPPED')
        refusal(() => one.dmaAddressAt(0), 'DMA_NOT_MAPPED')
        refusal(() => [...one], 'DMA_NOT_MAPPED')
        refusal(() => one.syncForCpu(), 'DMA_NOT_MAPPED')
        refusal(() => one.split({ sizes: [1] }), 'DMA_NOT_MAPPED')
        one[Symbol.dispose]()
        assert.equal(two.mapped, true)
      }))

    it('ends a mapping when one of its memories is closed, or its device', () =>
      withoutLeaks(host, () => {
        using device = openVfioDevice(host.edu, { kernel })
        ready(device)
        using kept = allocate(2)
        const closed = allocate(2)
        const table = SgTable.fromBuffers([kept.bytes.subarray(1, 9), closed.bytes])
        const mapped = dmaMapSgtable(device, table, Bidirectional)
        closed.close()
        assert.equal(mapped.mapped, false)
        assert.equal(device.children.size, 0)
        refusal(() => mapped.unmap(), 'DMA_NOT_MAPPED', /closed/)
        const later = dmaMapSgtable(device, SgTable.fromBuffers([kept.bytes]), Bidirectional)
        const left = dmaMapSgtable(device, SgTable.fromBuffers([kept.bytes]), Bidirectional)
        device.clearMaster()
        refusal(() => later.dmaAddressAt(0), 'DMA_BUS_MASTER_OFF')
        device.close()
        refusal(() => later.dmaAddressAt(0), 'DMA_NOT_MAPPED')
        refusal(() => dmaUnmapSgtable(device, later), 'DMA_NOT_MAPPED')
        left[Symbol.dispose]()
        using again = openVfioDevice(host.edu, { kernel })
        refusal(() => dmaUnmapSgtable(again, later), 'DMA_WRONG_DEVICE')
      }))

    it('splits a mapped table, whose parts last as long as it does', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using memory = allocate(6)
        using sink = createDmaRegion(device, { byteLength: 4 * page })
        fillPattern(memory.bytes, 17)
        const table = SgTable.fromPages([5, 1, 3], { memory, byteOffset: 96 })
        const mapped = dmaMapSgtable(device, table, ToDevice)
        const sizes = [100, page, 5000]
        const parts = mapped.split({ skip: 50, sizes })
        let skip = 50
        for (const [i, part] of parts.entries()) {
          const expected = new Uint8Array(sizes[i]!)
          table.copyToBuffer(expected, skip)
          assert.equal(part.byteLength, sizes[i])
          assert.deepEqual(await readByDevice(registers, part, sink), expected)
          part.table.copyToBuffer(expected.fill(0))
          assert.deepEqual(sink.bytes.subarray(0, sizes[i]), expected)
          skip += sizes[i]!
        }
        refusal(() => parts[0]!.dmaAddressAt(parts[0]!.nents), 'DMA_RANGE')
        refusal(() => mapped.split({ skip: 3 * page, sizes: [1] }), 'DMA_RANGE')
        mapped.unmap()
        refusal(() => parts[0]!.dmaAddressAt(0), 'DMA_NOT_MAPPED')
        refusal(() => parts[0]!.dmaLengthAt(0), 'DMA_NOT_MAPPED')
      }))

    it('gives a second device the memory of an allocation', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using other = openVfioDevice(host.nvme, { kernel })
        other.setMaster()
        using sink = createDmaRegion(device, { byteLength: 4 * page })
        const allocation = dmaAllocCoherent(other, 3 * page - 7)
        fillPattern(allocation.bytes, 19)
        const table = dmaGetSgtable(other, allocation)
        assert.equal(table.byteLength, 3 * page - 7)
        using shared = dmaMapSgtable(device, table, ToDevice)
        assert.deepEqual(await readByDevice(registers, shared, sink), Uint8Array.from(allocation.bytes))
        refusal(() => dmaGetSgtable(device, allocation), 'DMA_WRONG_DEVICE')
        refusal(() => dmaGetSgtable(other, allocation, 3 * page), 'DMA_RANGE')
        allocation.free()
        assert.equal(shared.mapped, false)
        refusal(() => dmaGetSgtable(other, allocation), 'DMA_CLOSED')
      }))

    it('packs memory for devices alone, which leaves no mapping here', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using sink = createDmaRegion(device, { byteLength: 4 * page })
        using hidden = dmaAllocCoherent(device, 16 * page, DmaAttribute.NoKernelMapping)
        using window = dmaMmapCoherent(device, hidden)
        fillPattern(window.bytes, 41)
        const { mappings } = kernel.live()
        const order = [9, 2, 14]
        const table = SgTable.fromPages(order, { memory: hidden.memory })
        const mapped = dmaMapSgtable(device, table, ToDevice)
        assert.equal(kernel.live().mappings, mappings)
        const expected = Buffer.concat(order.map((i) => window.bytes.slice(i * page, (i + 1) * page)))
        assert.deepEqual(Buffer.from(await readByDevice(registers, mapped, sink)), expected)
        mapped.unmap()
      }))

    it('allocates memory that is one segment to its device', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using sink = createDmaRegion(device, { byteLength: 4 * page })
        const allocation = dmaAllocNoncontiguous(
          device,
          2 * page + 5,
          Bidirectional,
          DmaAttribute.AllocSinglePages,
        )
        assert.equal(allocation.nents, 1)
        assert.ok(allocation.table.origNents >= 1)
        assert.equal(allocation.owner, 'cpu')
        const bytes = dmaVmapNoncontiguous(device, allocation)
        assert.ok(bytes.every((byte) => byte === 0))
        fillPattern(bytes, 23)
        allocation.syncForDevice()
        refusal(() => allocation.copyToBuffer(new Uint8Array(1)), 'DMA_DEVICE_OWNS')
        assert.deepEqual(await readByDevice(registers, allocation, sink), Uint8Array.from(bytes))
        dmaVunmapNoncontiguous(device, bytes)
        refusal(() => dmaVunmapNoncontiguous(device, sink.bytes), 'DMA_INVALID_ARGUMENT')
        refusal(() => dmaFreeNoncontiguous(device, sink as never), 'DMA_INVALID_ARGUMENT')
        refusal(() => dmaGetSgtable(device, sink as never), 'DMA_INVALID_ARGUMENT')
        using window = dmaMmapNoncontiguous(device, allocation, { pageOffset: 1 })
        assert.equal(window.byteLength, 2 * page)
        assert.equal(window.bytes[9], bytes[page + 9])
        refusal(() => dmaMmapNoncontiguous(device, allocation, { pageOffset: 3 }), 'ENXIO')
        refusal(
          () => dmaMmapNoncontiguous(device, allocation, { pageOffset: 1, byteLength: 3 * page }),
          'ENXIO',
        )
        refusal(() => allocation.unmap(), 'DMA_INVALID_ARGUMENT', /dmaFreeNoncontiguous/)
        refusal(() => dmaUnmapSgtable(device, allocation), 'DMA_INVALID_ARGUMENT')
        dmaFreeNoncontiguous(device, allocation)
        refusal(() => dmaFreeNoncontiguous(device, allocation), 'DMA_CLOSED')
        refusal(() => allocation.dmaAddressAt(0), 'DMA_NOT_MAPPED')
        refusal(
          () => dmaAllocNoncontiguous(device, 4096, ToDevice, DmaAttribute.ForceContiguous),
          'DMA_ATTRIBUTE',
        )
        refusal(() => dmaAllocNoncontiguous(device, 4096, ToDevice, DmaAttribute.NoWarn), 'DMA_ATTRIBUTE')
        refusal(() => dmaAllocNoncontiguous(device, 2 ** 32, ToDevice), 'DMA_RANGE')
        refusal(() => dmaAllocNoncontiguous(device, 0, ToDevice), 'DMA_INVALID_ARGUMENT')
      }))

    it('bounces what the device cannot be given in place, segment by segment', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        setDmaOps(device, bounceOps(getDmaOps(device), { byteLength: 64 * 1024 }))
        using sink = createDmaRegion(device, { byteLength: 4 * page })
        using memory = allocate(2)
        fillPattern(memory.bytes, 29)
        const heap = Buffer.alloc(3000)
        fillPattern(heap, 31)
        const table = SgTable.fromBuffers([heap.subarray(1, 2000), memory.bytes.subarray(100, 5000)])
        const expected = new Uint8Array(table.byteLength)
        table.copyToBuffer(expected)
        const mapped = dmaMapSgtable(device, table, Bidirectional)
        assert.equal(mapped.nents, 2)
        assert.deepEqual(await readByDevice(registers, mapped, sink), expected)
        fillPattern(sink.bytes, 37)
        await writeByDevice(registers, mapped, sink)
        assert.equal(heap[1], expected[0], 'what the device wrote is in the slot only')
        mapped.syncForCpu()
        mapped.copyToBuffer(expected)
        assert.deepEqual(expected, sink.bytes.slice(0, table.byteLength))
        mapped.unmap()
        assert.equal(heap[0], 31)
        refusal(
          () => dmaMapSgtable(device, table, ToDevice, DmaAttribute.RequireCoherent),
          'DMA_NOT_COHERENT',
        )
        const full = SgTable.fromBuffers(Array.from({ length: 100 }, () => new Uint8Array(4096)))
        const refused = refusal(() => dmaMapSgtable(device, full, ToDevice), 'EIO')
        assert.equal((refused.cause as { code?: string }).code, 'DMA_BOUNCE_FULL')
        using _all = dmaMapSgtable(device, SgTable.fromBuffers([new Uint8Array(60_000)]), ToDevice)
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
