import { createDmaRegion, DmaDirection } from '@linux-dma/core'
import { expect, it } from 'vitest'
import { withEngine } from '../../test-support/device'
import { mapChunks } from '../chunks/map-chunks'
import { SgTable } from '../table/sg-table'
import { dmaSyncSgForDevice, dmaSyncSgtableForCpu, dmaUnmapSg, dmaUnmapSgtable } from './end-and-sync'
import { dmaMapSg, dmaMapSgtable } from './map-sgtable'

const { ToDevice } = DmaDirection

it('refuses by name what is no device', () => {
  withEngine({}, (device) => {
    using region = createDmaRegion(device, { byteLength: 4096 })
    const table = SgTable.fromBuffers([region.bytes])
    using mapped = dmaMapSgtable(device, table, ToDevice)
    for (const none of [null, undefined, {}, 'device'] as unknown as (typeof device)[]) {
      for (const use of [
        () => dmaMapSgtable(none, table, ToDevice),
        () => dmaMapSg(none, table, table.origNents, ToDevice),
        () => dmaUnmapSgtable(none, mapped),
        () => dmaUnmapSg(none, mapped, table.origNents),
        () => dmaSyncSgtableForCpu(none, mapped),
        () => dmaSyncSgForDevice(none, mapped, table.origNents),
        () => mapChunks(none, table, ToDevice, { maxBytes: 1 }),
      ]) {
        expect(use).toThrow('DMA_INVALID_ARGUMENT')
      }
    }
    expect(mapped.mapped).toBe(true)
  })
})
