import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  bounceOps,
  bouncePoolOf,
  createDmaRegion,
  DmaDirection,
  type DmaOps,
  dmaAllocCoherent,
  dmaAllocNoncoherent,
  dmaBitMask,
  dmaMapSingle,
  dmaMmapCoherent,
  dmaSetMaskAndCoherent,
  setDmaOps,
  toNumber,
} from '@linux-dma/core'
import { dmaMapSgtable, SgTable } from '@linux-dma/sg'
import { openUDmaBuf, type UDmaBuf, uDmaBufOps } from '@linux-dma/udmabuf'
import { openUio, type UioDevice } from '@linux-dma/uio'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { refusal } from '../with-device'
import { withUioBound } from '../with-uio'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection
const NAME = 'udmabuf0'

/** The same as the memory of a device that no IOMMU translates for. */
export function uDmaBufDevice({ describe, it }: Pick<Runner, 'describe' | 'it'>, host: Host): void {
  const { kernel, edu, eduAddressBits } = host
  const page = kernel.pageSize
  const withEdu =
    (test: (device: UioDevice, buffer: UDmaBuf) => void | Promise<void>, path = (ops: DmaOps) => ops) =>
    () =>
      withUioBound(host, edu, async ({ node }) => {
        using buffer = openUDmaBuf(NAME, { kernel })
        using device = openUio(node, { kernel })
        setDmaOps(device, path(uDmaBufOps(buffer)))
        dmaSetMaskAndCoherent(device, dmaBitMask(eduAddressBits))
        device.setMaster()
        await test(device, buffer)
      })
  const slots = (ops: DmaOps) => bounceOps(ops, { byteLength: 0x4_0000 })

  describe('u-dma-buf as the memory of a device', () => {
    it(
      'moves bytes in place',
      withEdu(async (device, buffer) => {
        const [source, target] = [buffer.bytes.subarray(100, 1100), buffer.bytes.subarray(page, page + 1000)]
        fillPattern(source, 7)
        target.fill(0)
        using out = dmaMapSingle(device, source, ToDevice)
        assert.equal(toNumber(out.dmaAddress), toNumber(buffer.dmaAddress) + 100)
        await transfer(device.bar(0), 'to-device', out.dmaAddress, 1000)
        using back = dmaMapSingle(device, target, FromDevice)
        await transfer(device.bar(0), 'from-device', back.dmaAddress, 1000)
        assert.deepEqual(back.syncForCpu(), source.slice())
      }),
    )

    it(
      'has coherent memory, zeroed, which can be mapped once more',
      withEdu(async (device, buffer) => {
        buffer.bytes.fill(0xff)
        for (const byteLength of [64, page, 3 * page]) {
          using ring = dmaAllocCoherent(device, byteLength)
          assert.equal(ring.origin, 'u-dma-buf')
          assert.deepEqual(ring.bytes, new Uint8Array(byteLength))
          fillPattern(ring.bytes.subarray(0, 32), byteLength)
          const sent = ring.bytes.slice(0, 32)
          await transfer(device.bar(0), 'to-device', ring.dmaAddress, 32)
          ring.bytes.fill(0)
          await transfer(device.bar(0), 'from-device', ring.dmaAddress, 32)
          assert.deepEqual(ring.bytes.slice(0, 32), sent)
          using window = dmaMmapCoherent(device, ring)
          assert.deepEqual(window.bytes.slice(0, 32), sent)
          const offset = toNumber(ring.dmaAddress) - toNumber(buffer.dmaAddress)
          assert.deepEqual(buffer.bytes.slice(offset, offset + 32), sent)
        }
      }),
    )

    it(
      'has memory that is handed over, and regions',
      withEdu(async (device) => {
        using memory = dmaAllocNoncoherent(device, 512, Bidirectional)
        fillPattern(memory.bytes, 1)
        const sent = memory.bytes.slice()
        memory.syncForDevice()
        await transfer(device.bar(0), 'to-device', memory.dmaAddress, 512)
        using region = createDmaRegion(device, { byteLength: 4 * page })
        const handle = region.mapSingle(2 * page, 512, FromDevice)
        await transfer(device.bar(0), 'from-device', region.addressOf(handle), 512)
        region.unmapSingle(handle)
        assert.deepEqual(region.bytes.slice(2 * page, 2 * page + 512), sent)
      }),
    )

    it(
      'is all there is, unless the path copies',
      withEdu((device, buffer) => {
        using memory = allocateDmaMemory({ byteLength: page, kernel })
        refusal(() => dmaMapSingle(device, memory.bytes, ToDevice), 'DMA_NOT_IN_BUFFER', /bounceOps/)
        refusal(() => dmaMapSingle(device, new Uint8Array(8), ToDevice), 'DMA_NOT_DMA_MEMORY')
        refusal(() => dmaAllocCoherent(device, buffer.size + 1), 'ENOMEM', /larger/)
        using ring = dmaAllocCoherent(device, page)
        refusal(() => createDmaRegion(device, { memory: buffer.memory }), 'DMA_IN_USE')
        ring.free()
        using all = createDmaRegion(device, { memory: buffer.memory })
        refusal(() => dmaAllocCoherent(device, page), 'ENOMEM')
        assert.equal(toNumber(all.dmaAddress), toNumber(buffer.dmaAddress))
      }),
    )

    it(
      'has its own pages, and dma-bufs theirs',
      withEdu((device, buffer) => {
        const before = kernel.live()
        const frame = buffer.exportDmaBuf()
        frame.cpuAccess('write', (bytes) => bytes.fill(0xaa))
        const copy = frame.duplicate()
        for (const open of [frame, copy]) {
          refusal(() => dmaAllocCoherent(device, page), 'DMA_IN_USE', /close/)
          open.close()
        }
        using ring = dmaAllocCoherent(device, page)
        const rest = buffer.size - page
        for (const range of [{}, { offset: rest }, { offset: rest - page, size: 2 * page }]) {
          refusal(() => buffer.exportDmaBuf(range), 'DMA_IN_USE', /in front/)
        }
        using part = buffer.exportDmaBuf({ size: rest })
        part.cpuAccess('write', (bytes) => bytes.fill(0x66))
        assert.deepEqual(ring.bytes, new Uint8Array(page))
        ring.bytes.fill(0x11)
        assert.equal(
          part.cpuAccess('read', (bytes) => bytes.every((byte) => byte === 0x66)),
          true,
        )
        ring.free()
        part.close()
        assert.deepEqual(kernel.live(), before)
      }),
    )

    it('leaves the pages of a dma-buf alone that outlives it', () =>
      withUioBound(host, edu, ({ node }) => {
        const first = openUDmaBuf(NAME, { kernel })
        using frame = first.exportDmaBuf()
        first.close()
        using buffer = openUDmaBuf(NAME, { kernel })
        using device = openUio(node, { kernel })
        setDmaOps(device, uDmaBufOps(buffer))
        device.setMaster()
        refusal(() => dmaAllocCoherent(device, page), 'DMA_IN_USE')
        frame.close()
        using ring = dmaAllocCoherent(device, page)
        assert.equal(ring.byteLength, page)
      }))

    it(
      'has slots for bytes of whatever memory',
      withEdu(async (device) => {
        const source = new Uint8Array(3000)
        fillPattern(source, 11)
        using memory = allocateDmaMemory({ byteLength: page, kernel })
        const target = memory.bytes.subarray(0, 3000)
        using out = dmaMapSingle(device, source, ToDevice)
        await transfer(device.bar(0), 'to-device', out.dmaAddress, 3000)
        using back = dmaMapSingle(device, target, FromDevice)
        await transfer(device.bar(0), 'from-device', back.dmaAddress, 3000)
        assert.ok((bouncePoolOf(device)?.usedSlots ?? 0) >= 4)
        back.unmap()
        assert.deepEqual(target, source)
      }, slots),
    )

    it(
      'has its tables mapped in one piece each',
      withEdu(async (device, buffer) => {
        const parts = [buffer.bytes.subarray(page, 2 * page), buffer.bytes.subarray(5 * page, 5 * page + 256)]
        for (const [index, part] of parts.entries()) fillPattern(part, index)
        using mapped = dmaMapSgtable(device, SgTable.fromBuffers(parts), ToDevice)
        const addresses = Array.from({ length: mapped.nents }, (_, index) =>
          toNumber(mapped.dmaAddressAt(index)),
        )
        assert.deepEqual(
          addresses,
          [1, 5].map((at) => toNumber(buffer.dmaAddress) + at * page),
        )
        await transfer(device.bar(0), 'to-device', mapped.dmaAddressAt(1), 256)
        using back = dmaMapSingle(device, buffer.bytes.subarray(0, 256), FromDevice)
        await transfer(device.bar(0), 'from-device', back.dmaAddress, 256)
        assert.deepEqual(back.syncForCpu(), parts[1]!.slice())
      }),
    )

    it('goes with the device, and the device with it', () =>
      withUioBound(host, edu, ({ node }) => {
        using buffer = openUDmaBuf(NAME, { kernel })
        const device = openUio(node, { kernel })
        setDmaOps(device, uDmaBufOps(buffer))
        device.setMaster()
        const ring = dmaAllocCoherent(device, page)
        const mapping = dmaMapSingle(device, buffer.bytes.subarray(0, 8), ToDevice)
        device.close()
        assert.deepEqual([ring.freed, mapping.mapped, buffer.closed], [true, false, false])
        using second = openUio(node, { kernel })
        setDmaOps(second, uDmaBufOps(buffer))
        second.setMaster()
        const next = dmaAllocCoherent(second, page)
        buffer.close()
        assert.equal(next.freed, true)
        refusal(() => dmaAllocCoherent(second, page), 'DMA_CLOSED')
      }))
  })
}
