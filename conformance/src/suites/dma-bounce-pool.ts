import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  bouncePoolOf,
  createDmaRegion,
  DmaAttribute,
  DmaDirection,
  dmaAllocCoherent,
  dmaAllocNoncoherent,
  dmaBitMask,
  dmaGetMergeBoundary,
  dmaMapSingle,
  dmaMaxMappingSize,
  dmaNeedSync,
  dmaSetMask,
  dmaSetMinAlignMask,
  dmaSetSegBoundary,
  getDmaOps,
  setDmaOps,
  toNumber,
} from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'
import { bouncing, fillDevice, seenByDevice } from '../bouncing'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { refusal, withDevice, withoutLeaks } from '../with-device'

const { ToDevice, Bidirectional } = DmaDirection
const SEGMENT = 256 * 1024
const entryLimit = '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit'

/** The slots that stand in for buffers: how many, of what length, at which addresses, and who has them. */
export function dmaBouncePool({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize

  describe('dma bounce pool', () => {
    it('never bounces coherent memory, and refuses RequireCoherent where it would bounce', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device, { force: true })
        using coherent = dmaAllocCoherent(device, 64)
        coherent.bytes.fill(0x42)
        const seen = await seenByDevice(device, registers, coherent.dmaAddress, 64)
        assert.deepEqual(seen, new Uint8Array(64).fill(0x42))
        assert.equal(dmaNeedSync(device, coherent.dmaAddress), !getDmaOps(device).coherent)
        using region = createDmaRegion(device, { byteLength: page })
        refusal(() => region.mapSingle(0, 64, ToDevice, DmaAttribute.RequireCoherent), 'DMA_NOT_COHERENT')
        assert.equal(region.liveMappings, 0)
        assert.equal(bouncePoolOf(device)?.usedSlots, 0)
      }))

    it('gives slots to handles of a region, and takes them back when it closes', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device, { force: true, byteLength: 1 })
        const pattern = await fillDevice(device, registers, 15)
        using region = createDmaRegion(device, { byteLength: 16 * page })
        const handles = [0, 1, 2, 3].map((i) => region.mapSingle(i * 3000, 3000, Bidirectional))
        const addresses = handles.map((handle) => toNumber(region.addressOf(handle)))
        assert.equal(new Set(addresses).size, 4)
        assert.equal(bouncePoolOf(device)?.usedSlots, 8)
        await transfer(registers, 'from-device', region.addressOf(handles[2]!), 3000)
        assert.equal(region.bytes[6000], 0)
        region.syncForCpu(handles[2]!)
        assert.deepEqual(region.bytes.subarray(6000, 9000), pattern.subarray(0, 3000))
        region.bytes.fill(1, 6000, 9000)
        region.syncForDevice(handles[2]!)
        const seen = await seenByDevice(device, registers, region.addressOf(handles[2]!), 3000)
        assert.deepEqual(seen, new Uint8Array(3000).fill(1))
        region.unmapSingle(handles[2]!)
        refusal(() => region.unmapSingle(handles[2]!), 'DMA_NOT_MAPPED')
        assert.equal(bouncePoolOf(device)?.usedSlots, 6)
        region.close()
        assert.equal(bouncePoolOf(device)?.usedSlots, 0)
      }))

    it('says that it is full, and by how much, with nothing lost', () =>
      withDevice(host, (device) => {
        bouncing(device, { force: true, byteLength: SEGMENT })
        const map = (byteLength: number) => dmaMapSingle(device, new Uint8Array(byteLength), Bidirectional)
        const mappings = Array.from({ length: 32 }, () => map(8192))
        const { message } = refusal(() => map(5000), 'DMA_BOUNCE_FULL', /byteLength/)
        assert.match(message, /5000 bytes.*128 slots.*128 used/)
        using region = createDmaRegion(device, { byteLength: page })
        refusal(() => region.mapSingle(0, 1, ToDevice), 'DMA_BOUNCE_FULL')
        assert.equal(region.liveMappings, 0)
        mappings.pop()!.unmap()
        mappings.push(map(8192))
        for (const mapping of mappings) mapping.unmap()
        assert.deepEqual([bouncePoolOf(device)?.usedSlots, bouncePoolOf(device)?.mostUsedSlots], [0, 128])
        map(SEGMENT).unmap()
      }))

    it('says how long a mapping may be', () =>
      withDevice(host, (device) => {
        bouncing(device, { force: true })
        assert.equal(dmaMaxMappingSize(device), SEGMENT)
        const map = (byteLength: number) => dmaMapSingle(device, new Uint8Array(byteLength), ToDevice)
        map(SEGMENT).unmap()
        refusal(() => map(SEGMENT + 1), 'DMA_BOUNCE_TOO_LONG', /dmaMaxMappingSize|scatterlist/)
        dmaSetMinAlignMask(device, 0xfff)
        assert.equal(dmaMaxMappingSize(device), SEGMENT - 4096)
        map(SEGMENT - 4096).unmap()
        refusal(() => map(SEGMENT - 4095), 'DMA_BOUNCE_TOO_LONG')
        dmaSetSegBoundary(device, 0xffffn)
        map(0x1_0000).unmap()
        refusal(() => map(0x1_0001), 'DMA_BOUNCE_TOO_LONG')
        assert.equal(bouncePoolOf(device)?.usedSlots, 0)
      }))

    it('keeps the low bits of the address that the device looks at', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device, { force: true })
        dmaSetMinAlignMask(device, 0xfff)
        const pattern = await fillDevice(device, registers, 16)
        using memory = allocateDmaMemory({ byteLength: 4 * page, kernel })
        for (const offset of [0, 1, 511, 2047, 2048, 2049, 4095, 5000]) {
          const bytes = memory.bytes.subarray(offset, offset + 4000)
          bytes.fill(0)
          const mapping = dmaMapSingle(device, bytes, Bidirectional)
          assert.equal(toNumber(mapping.dmaAddress) & 0xfff, offset & 0xfff)
          await transfer(registers, 'from-device', mapping.dmaAddress, 4000)
          mapping.unmap()
          assert.deepEqual(bytes, pattern.subarray(0, 4000))
        }
      }))

    it('bounces what would cross the device’s segment boundary', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device)
        dmaSetSegBoundary(device, 0xfffn)
        using region = createDmaRegion(device, { byteLength: 4 * page })
        fillPattern(region.bytes, 17)
        using inside = dmaMapSingle(device, region.bytes.subarray(0, 4096), ToDevice)
        assert.equal(toNumber(inside.dmaAddress), toNumber(region.dmaAddress))
        const across = region.bytes.subarray(3000, 5000)
        using mapping = dmaMapSingle(device, across, ToDevice)
        const first = toNumber(mapping.dmaAddress)
        assert.ok(
          first + 4096 <= toNumber(region.dmaAddress) || first >= toNumber(region.dmaAddress) + 4 * page,
        )
        assert.equal(Math.floor(first / 4096), Math.floor((first + 1999) / 4096))
        assert.deepEqual(await seenByDevice(device, registers, mapping.dmaAddress, 2000), across)
        refusal(() => dmaMapSingle(device, region.bytes.subarray(1, 4098), ToDevice), 'DMA_BOUNCE_TOO_LONG')
        assert.equal(region.liveMappings, 2)
      }))

    it('has the pool below the mask, keeps masks in place while it is there, and the path while it is used', () =>
      withDevice(host, (device) => {
        bouncing(device)
        dmaSetMask(device, dmaBitMask(24))
        using mapping = dmaMapSingle(device, new Uint8Array(2048), ToDevice)
        assert.ok(toNumber(mapping.dmaAddress) + 2048 <= 2 ** 24)
        refusal(() => setDmaOps(device, getDmaOps(device)), 'DMA_IN_USE')
        mapping.unmap()
        refusal(() => dmaSetMask(device, dmaBitMask(14)), 'DMA_MASK_IN_USE')
        const pinned = kernel.live().mappings
        setDmaOps(device, getDmaOps(device))
        assert.equal(kernel.live().mappings, pinned - 1, 'slots that nothing uses go with their path')
        assert.equal(bouncePoolOf(device), undefined)
        using again = dmaMapSingle(device, new Uint8Array(2048), ToDevice)
        assert.equal(again.mapped, true)
      }))

    it('never bounces what was allocated for the device, whatever its length', () =>
      withDevice(host, async (device) => {
        const registers = bouncing(device, { force: true, byteLength: 1 })
        dmaSetSegBoundary(device, dmaBitMask(16))
        using buffer = dmaAllocNoncoherent(device, 1 << 20, Bidirectional)
        fillPattern(buffer.syncForCpu(0, 4095), 5)
        const sent = buffer.bytes.slice()
        buffer.syncForDevice()
        assert.deepEqual(await seenByDevice(device, registers, buffer.dmaAddress, 4095), sent)
        assert.equal(bouncePoolOf(device)?.usedSlots ?? 0, 0)
        assert.equal(dmaNeedSync(device, buffer.dmaAddress), !getDmaOps(device).coherent)
        assert.equal(dmaGetMergeBoundary(device), 0, 'segments that are bounced are not joined')
      }))

    it('leaves nothing behind where its memory cannot be mapped', () =>
      withoutLeaks(host, () => {
        const before = kernel.readText(entryLimit)
        kernel.writeText(entryLimit, '1')
        try {
          using device = openVfioDevice(host.edu, { kernel })
          bouncing(device)
          const region = createDmaRegion(device, { byteLength: page })
          const live = kernel.live()
          refusal(() => dmaMapSingle(device, new Uint8Array(1), ToDevice), 'ENOSPC')
          assert.deepEqual(kernel.live(), live)
          assert.equal(bouncePoolOf(device), undefined)
          region.close()
          dmaMapSingle(device, new Uint8Array(1), ToDevice).unmap()
        } finally {
          kernel.writeText(entryLimit, before.trim())
        }
      }))
  })
}
