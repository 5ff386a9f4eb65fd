import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  createDmaRegion,
  DmaChecker,
  DmaDirection,
  type DmaReport,
  dmaAllocCoherent,
  dmaBitMask,
  dmaFreeCoherent,
  dmaMapSingle,
  dmaSetMaskAndCoherent,
  dmaSyncSingleForCpu,
  dmaUnmapSingle,
} from '@linux-dma/core'
import { dmaMapSgtable, dmaUnmapSg, SgTable } from '@linux-dma/sg'
import { openVfioDevice, type VfioDevice } from '@linux-dma/vfio'
import { transfer } from '../edu'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection

/** What a checker of misuse sees of a device, and mappings that are named by their addresses. */
export function dmaChecker({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const checked = (test: (device: VfioDevice, checker: DmaChecker) => void | Promise<void>) =>
    withoutLeaks(host, async () => {
      const checker = new DmaChecker({ onError: 'collect', all: true })
      using device = openVfioDevice(host.edu, { kernel, checked: checker })
      device.setMaster()
      await test(device, checker)
    })
  const classes = (checker: DmaChecker) => checker.reports.map((report) => report.class)

  describe('dma checker', () => {
    it('has nothing against transfers that are right', () =>
      checked(async (device, checker) => {
        dmaSetMaskAndCoherent(device, dmaBitMask(host.eduAddressBits))
        using memory = allocateDmaMemory({ byteLength: 8192, kernel })
        const bytes = memory.bytes.subarray(0, 512)
        bytes.forEach((_, index) => {
          bytes[index] = (index * 7) & 0xff
        })
        const out = dmaMapSingle(device, bytes, ToDevice)
        await transfer(device.bar(0), 'to-device', out.dmaAddress, 512)
        out.unmap()
        using region = createDmaRegion(device, { memory })
        const back = region.mapSingle(4096, 512, FromDevice)
        await transfer(device.bar(0), 'from-device', region.addressOf(back), 512)
        region.syncForCpu(back)
        assert.deepEqual(region.bytes.slice(4096, 4608), memory.bytes.slice(0, 512))
        region.syncForDevice(back)
        region.unmapSingle(back)
        assert.deepEqual([classes(checker), checker.dump()], [[], []])
      }))

    it('ends and syncs by address what is there, and nothing else', () =>
      checked((device, checker) => {
        using memory = allocateDmaMemory({ byteLength: 4096, kernel })
        const { dmaAddress } = dmaMapSingle(device, memory.bytes.subarray(8, 72), FromDevice)
        refusal(() => dmaUnmapSingle(device, dmaAddress, 63, FromDevice), 'DMA_WRONG_SIZE', /size/)
        refusal(() => dmaUnmapSingle(device, dmaAddress, 64, ToDevice), 'DMA_WRONG_DIRECTION')
        refusal(() => dmaSyncSingleForCpu(device, dmaAddress, 65, FromDevice), 'DMA_RANGE')
        assert.equal(dmaSyncSingleForCpu(device, dmaAddress, 64, FromDevice).byteLength, 64)
        dmaUnmapSingle(device, dmaAddress, 64, FromDevice)
        refusal(() => dmaUnmapSingle(device, dmaAddress, 64, FromDevice), 'DMA_NOT_MAPPED')
        const coherent = dmaAllocCoherent(device, 100)
        const { bytes, dmaAddress: at } = coherent
        refusal(() => dmaUnmapSingle(device, at, 100, Bidirectional), 'DMA_WRONG_FAMILY', /dmaFreeCoherent/)
        refusal(() => dmaFreeCoherent(device, 100, memory.bytes, at), 'DMA_WRONG_BYTES')
        dmaFreeCoherent(device, 100, bytes, at)
        assert.deepEqual(classes(checker), [13, 17, 19, 12, 14, 15])
        assert.equal(device.children.size, 0)
      }))

    it('names where memory was mapped, unmapped and misused', () =>
      checked((device, checker) => {
        using memory = allocateDmaMemory({ byteLength: 4096, kernel })
        const mapping = dmaMapSingle(device, memory.bytes, ToDevice)
        mapping.unmap()
        const report = refusal(() => mapping.unmap(), 'DMA_NOT_MAPPED') as unknown as DmaReport
        assert.equal(report, checker.reports[0])
        for (const place of [report.mappedAt, report.unmappedAt, report.misusedAt]) {
          assert.match(String(place), /^at .*:\d+:\d+/)
        }
        assert.deepEqual([report.class, report.size, report.device], [12, 4096, device.name])
      }))

    it('tells of what overlaps, of counts, and of what is left at the end', () =>
      withoutLeaks(host, () => {
        const checker = new DmaChecker({ onError: 'collect', all: true })
        using device = openVfioDevice(host.edu, { kernel, checked: checker })
        device.setMaster()
        using memory = allocateDmaMemory({ byteLength: 8192, kernel })
        using _first = dmaMapSingle(device, memory.bytes.subarray(0, 32), FromDevice)
        try {
          dmaMapSingle(device, memory.bytes.subarray(32, 64), Bidirectional).unmap()
        } catch (error) {
          // A fake machine looks, too, and refuses it: one report for both.
          assert.equal(error, checker.reports[0])
        }
        const mapped = dmaMapSgtable(device, SgTable.fromBuffers([memory.bytes.subarray(4096)]), ToDevice)
        refusal(() => dmaUnmapSg(device, mapped, 2 as never), 'DMA_WRONG_NENTS')
        device.close()
        assert.deepEqual(classes(checker), [5, 16, 24])
        assert.equal(checker.reports[2]?.count, 2)
      }))
  })
}
