import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  createDmaRegion,
  DmaDirection,
  directOps,
  dmaBitMask,
  dmaMapSingle,
  dmaSetMask,
  dmaSetMaskAndCoherent,
  physicalAddressAt,
  readFrames,
  toNumber,
} from '@linux-dma/core'
import { dmaMapSgtable, SgTable } from '@linux-dma/sg'
import { withBareDevice } from '../bare-device'
import { directEdu } from '../direct-edu'
import { fillPattern, transfer } from '../edu'
import type { Host, Runner } from '../host'
import { refusal } from '../with-device'

const { ToDevice, FromDevice } = DmaDirection

/** Memory in pieces, where devices are given physical addresses: on a machine without an IOMMU. */
export function dmaDirectTables({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const { page, withEdu, reachablePages, scattered, pinnedKilobytes } = directEdu(host)

  describe('dma direct tables', () => {
    it('refuses memory in pieces, page by page it maps it', () =>
      withEdu((device) => {
        using memory = scattered(16)
        const before = { ...kernel.live(), pinned: pinnedKilobytes() }
        refusal(
          () => createDmaRegion(device, { memory }),
          'DMA_NOT_CONTIGUOUS',
          /dmaMapSgtable.*hugePageSize/,
        )
        assert.deepEqual({ ...kernel.live(), pinned: pinnedKilobytes() }, before)
        const frames = (() => {
          using _pin = memory.pin()
          return readFrames(memory)
        })()
        for (let index = 0; index < 16; index++) {
          using mapping = dmaMapSingle(
            device,
            memory.bytes.subarray(index * page, index * page + page),
            ToDevice,
          )
          assert.equal(toNumber(mapping.dmaAddress), frames[index]! * page)
        }
      }))

    it('gives a table of memory in pieces to the device piece by piece', () =>
      withEdu(async (device, registers) => {
        using memory = scattered(16)
        const before = { ...kernel.live(), pinned: pinnedKilobytes() }
        const mapped = dmaMapSgtable(device, SgTable.fromBuffers([memory.bytes.subarray(100)]), ToDevice)
        const frames = readFrames(memory)
        const reached = Array.from(mapped, ({ dmaAddress, dmaLength }) => [toNumber(dmaAddress), dmaLength])
        const runs: number[][] = []
        for (const [index, frame] of frames.entries()) {
          const start = frame * page + (index === 0 ? 100 : 0)
          const byteLength = index === 0 ? page - 100 : page
          const last = runs.at(-1)
          if (last && last[0]! + last[1]! === start) last[1]! += byteLength
          else runs.push([start, byteLength])
        }
        assert.deepEqual(reached, runs)
        mapped.unmap()
        assert.deepEqual({ ...kernel.live(), pinned: pinnedKilobytes() }, before)

        const [source, target] = reachablePages(2)
        fillPattern(source!, 7)
        const out = dmaMapSgtable(device, SgTable.fromBuffers([source!.subarray(8, 3008)]), ToDevice)
        await transfer(registers, 'to-device', out.dmaAddressAt(0), 3000)
        out.unmap()
        const back = dmaMapSgtable(device, SgTable.fromBuffers([target!]), FromDevice)
        await transfer(registers, 'from-device', back.dmaAddressAt(0), 3000)
        back.unmap()
        assert.deepEqual(target!.slice(0, 3000), source!.slice(8, 3008))
      }))

    it('maps thousands of parts, by themselves and in a table, with a few descriptors', () =>
      withEdu((device) => {
        using memory = allocateDmaMemory({ byteLength: 6000 * page, kernel })
        const before = { ...kernel.live(), pinned: pinnedKilobytes() }
        const pages = Array.from({ length: 3000 }, (_, index) => 2 * index)
        const table = SgTable.fromPages(pages, { memory })
        const mapped = dmaMapSgtable(device, table, ToDevice)
        assert.equal(mapped.nents, 3000)
        assert.equal(kernel.live().descriptors, before.descriptors + 1)
        const singles = pages.map((index) =>
          dmaMapSingle(device, memory.bytes.subarray(index * page, (index + 1) * page), ToDevice),
        )
        assert.ok(kernel.live().descriptors < before.descriptors + 12)
        for (const [index, single] of singles.entries()) {
          assert.equal(single.dmaAddress, mapped.dmaAddressAt(index))
          single.unmap()
        }
        mapped.unmap()
        assert.deepEqual({ ...kernel.live(), pinned: pinnedKilobytes() }, before)
      }))

    it('has a table of frames among what the device has', () =>
      withEdu((device) => {
        using memory = allocateDmaMemory({ byteLength: 4 * page, kernel })
        using _pin = memory.pin()
        const frames = SgTable.fromPages(readFrames(memory, {}, new Uint32Array(4)))
        const mapped = dmaMapSgtable(device, frames, ToDevice)
        assert.equal(toNumber(mapped.dmaAddressAt(0)), toNumber(physicalAddressAt(memory, 0)))
        assert.equal(device.children.size, 1)
        refusal(() => dmaSetMask(device, dmaBitMask(24)), 'DMA_MASK_IN_USE')
        device.close()
        assert.equal(mapped.mapped, false)
        refusal(() => mapped.dmaAddressAt(0), 'DMA_NOT_MAPPED')
      }).then(() =>
        withBareDevice(
          host,
          directOps({ unsafePhysicalAddresses: true, kernel, busLimit: dmaBitMask(20) }),
          (device) => {
            dmaSetMaskAndCoherent(device, dmaBitMask(64))
            refusal(() => dmaMapSgtable(device, SgTable.fromPages([0x100, 0x200]), ToDevice), 'EIO')
            assert.equal(device.children.size, 0)
          },
        ),
      ))
  })
}
