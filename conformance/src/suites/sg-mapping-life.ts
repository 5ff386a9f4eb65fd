import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  DmaAttribute,
  DmaDirection,
  dmaAllocCoherent,
  dmaBitMask,
  dmaSetMask,
  toNumber,
} from '@linux-dma/core'
import {
  dmaMapSg,
  dmaMapSgtable,
  dmaSyncSgForCpu,
  dmaSyncSgForDevice,
  dmaSyncSgtableForCpu,
  dmaSyncSgtableForDevice,
  dmaUnmapSg,
  dmaUnmapSgtable,
  type OrigNents,
  SgTable,
} from '@linux-dma/sg'
import { openVfioDevice } from '@linux-dma/vfio'
import { fillPattern } from '../edu'
import { readByDevice, ready } from '../edu-table'
import type { Host, Runner } from '../host'
import { refusal, withDevice, withoutLeaks } from '../with-device'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection
const entryLimit = '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit'

/** What a mapped scatterlist takes, whom it belongs to meanwhile, and what ends it. */
export function sgMappingLife({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const allocate = (pages: number) => allocateDmaMemory({ byteLength: pages * page, kernel })

  describe('sg mapping life', () => {
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
        using sink = dmaAllocCoherent(device, 4 * page)
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
        const later = dmaMapSgtable(device, SgTable.fromBuffers([kept.bytes]), ToDevice)
        const left = dmaMapSgtable(device, SgTable.fromBuffers([kept.bytes]), ToDevice)
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
        using sink = dmaAllocCoherent(device, 4 * page)
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
  })
}
