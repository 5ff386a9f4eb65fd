import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  bounceOps,
  createDmaRegion,
  DmaAttribute,
  DmaDirection,
  dmaAllocCoherent,
  dmaMmapCoherent,
  getDmaOps,
  setDmaOps,
} from '@linux-dma/core'
import {
  dmaAllocNoncontiguous,
  dmaFreeNoncontiguous,
  dmaGetSgtable,
  dmaMapSgtable,
  dmaMmapNoncontiguous,
  dmaUnmapSgtable,
  dmaVmapNoncontiguous,
  dmaVunmapNoncontiguous,
  SgTable,
} from '@linux-dma/sg'
import { openVfioDevice } from '@linux-dma/vfio'
import { fillPattern } from '../edu'
import { readByDevice, ready, writeByDevice } from '../edu-table'
import type { Host, Runner } from '../host'
import { refusal, withDevice } from '../with-device'

const { ToDevice, Bidirectional } = DmaDirection

/** Memory that is allocated for devices and seen as a scatterlist; and segments that are copied. */
export function sgAllocation({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const allocate = (pages: number) => allocateDmaMemory({ byteLength: pages * page, kernel })

  describe('sg allocation', () => {
    it('gives a second device the memory of an allocation', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using other = openVfioDevice(host.nvme, { kernel })
        other.setMaster()
        using sink = dmaAllocCoherent(device, 4 * page)
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
        using sink = dmaAllocCoherent(device, 4 * page)
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
        using sink = dmaAllocCoherent(device, 4 * page)
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
        using region = createDmaRegion(device, { byteLength: page })
        refusal(() => dmaGetSgtable(device, region as never), 'DMA_INVALID_ARGUMENT')
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
        using sink = dmaAllocCoherent(device, 4 * page)
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
