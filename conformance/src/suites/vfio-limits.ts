import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  createDmaRegion,
  DmaDirection,
  dmaBitMask,
  dmaMapSingle,
  dmaSetMask,
  toNumber,
} from '@linux-dma/core'
import { openVfioDevice } from '@linux-dma/vfio'
import { transfer } from '../edu'
import type { Host, Runner } from '../host'
import { refusal, withDevice, withoutLeaks } from '../with-device'

const entryLimit = '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit'

/** What a user without privileges meets: permissions, and the memory-lock limit. */
export function vfioLimits({ describe, it }: Runner, host: Host): void {
  const page = host.kernel.pageSize

  describe('vfio limits', () => {
    it('says how many mappings there may be, and what to do instead', () =>
      withoutLeaks(host, () => {
        const { kernel } = host
        const before = kernel.readText(entryLimit)
        kernel.writeText(entryLimit, '3')
        try {
          using device = openVfioDevice(host.edu, { kernel })
          device.setMaster()
          using memory = allocateDmaMemory({ byteLength: 8 * page, kernel })
          const map = (i: number) => dmaMapSingle(device, memory.bytes.subarray(i * page, (i + 1) * page), 0)
          const mappings = [0, 1, 2].map(map)
          refusal(() => map(3), 'ENOSPC', /createDmaRegion/)
          mappings[1]!.unmap()
          map(3)
        } finally {
          kernel.writeText(entryLimit, before.trim())
        }
      }))

    it('takes huge pages, and says how to reserve more', () =>
      withDevice(host, async (device) => {
        const hugePageSize = 0x20_0000
        device.setMaster()
        dmaSetMask(device, dmaBitMask(28))
        using region = createDmaRegion(device, { byteLength: 1, hugePageSize })
        assert.equal(region.byteLength, hugePageSize)
        assert.equal(toNumber(region.dmaAddress) % hugePageSize, 0)
        region.bytes.fill(0x5a, hugePageSize - 100)
        const out = region.mapSingle(hugePageSize - 100, 100, DmaDirection.ToDevice)
        await transfer(device.bar(0), 'to-device', region.addressOf(out), 100)
        const back = region.mapSingle(0, 100, DmaDirection.FromDevice)
        await transfer(device.bar(0), 'from-device', region.addressOf(back), 100)
        for (const handle of [out, back]) region.unmapSingle(handle)
        assert.ok(region.bytes.subarray(0, 100).every((byte) => byte === 0x5a))
        refusal(
          () => createDmaRegion(device, { byteLength: 2 ** 30, hugePageSize }),
          'ENOMEM',
          /nr_hugepages/,
        )
      }))
  })

  describe('vfio without privileges', () => {
    it('works for a user who owns the group node', () =>
      withoutLeaks(host, async () => {
        const outcome = await host.asUser('openAndIdentify', { ownsGroup: true, memlockBytes: 16 * page })
        assert.deepEqual(
          [outcome.succeeded, outcome.code, outcome.leaked],
          [1, undefined, 0],
          outcome.message,
        )
      }))

    it('tells a user who does not own it what to do', () =>
      withoutLeaks(host, async () => {
        const outcome = await host.asUser('openAndIdentify', { ownsGroup: false, memlockBytes: 16 * page })
        assert.deepEqual([outcome.succeeded, outcome.code, outcome.leaked], [0, 'EACCES', 0])
        assert.match(outcome.hint ?? '', /chown "\$USER" \/dev\/vfio\/\d+.*SUBSYSTEM=="vfio"/)
      }))

    it('stops at the memory-lock limit with the limit, the need and the line to change', () =>
      withoutLeaks(host, async () => {
        const outcome = await host.asUser('pinUntilRefused', { ownsGroup: true, memlockBytes: 16 * page })
        assert.deepEqual([outcome.succeeded, outcome.code], [1, 'ENOMEM'])
        const total = 17 * page
        assert.match(
          outcome.hint ?? '',
          new RegExp(`limit is ${16 * page} bytes, ${16 * page} bytes are locked and ${page} more`),
        )
        assert.match(outcome.hint ?? '', new RegExp(`ulimit -l ${total / 1024}'.*LimitMEMLOCK=${total}'`))
        assert.deepEqual([outcome.leaked, outcome.lockedKilobytes], [0, 0])
      }))

    it('leaves nothing pinned when the limit comes half way through a mapping', () =>
      withoutLeaks(host, async () => {
        const outcome = await host.asUser('pinTooMuch', { ownsGroup: true, memlockBytes: 16 * page })
        assert.deepEqual([outcome.succeeded, outcome.code], [1, 'ENOMEM'])
        assert.deepEqual([outcome.leaked, outcome.lockedKilobytes], [0, 0])
      }))
  })
}
