import {
  allocateDmaMemory,
  bounceOps,
  createDmaRegion,
  type DmaChecker,
  DmaDirection,
  type DmaReport,
  dmaMapSingle,
  dmaUnmapSingle,
  getDmaOps,
  setDmaChecker,
  setDmaOps,
} from '@linux-dma/core'
import { describe, expect, it } from 'vitest'
import { withEngine } from '../../test-support/device'
import { forEachChunk } from '../chunks/for-each-chunk'
import { mapChunks } from '../chunks/map-chunks'
import { SgTable } from '../table/sg-table'
import {
  dmaSyncSgForCpu,
  dmaSyncSgForDevice,
  dmaSyncSgtableForCpu,
  dmaSyncSgtableForDevice,
  dmaUnmapSg,
  dmaUnmapSgtable,
} from './end-and-sync'
import { dmaMapSg, dmaMapSgtable } from './map-sgtable'
import { dmaAllocNoncontiguous } from './noncontiguous'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection
const PAGE = 4096
const code = (code: string) => expect.objectContaining({ code })

function pieces(bytes: Uint8Array, count: number): SgTable {
  return SgTable.fromBuffers(
    Array.from({ length: count }, (_, i) => bytes.subarray(2 * i * 64, 2 * i * 64 + 64)),
  )
}

describe.each([['throw'], ['off']] as const)('by the table that was mapped, with checks: %s', (checks) => {
  it('a mapping is lent, given back and ended', () => {
    withEngine({ checks }, (device, _engine, { kernel }) => {
      using memory = allocateDmaMemory({ byteLength: PAGE, kernel })
      const table = pieces(memory.bytes, 3)
      const mapped = dmaMapSgtable(device, table, FromDevice)
      dmaSyncSgtableForCpu(device, table, FromDevice)
      expect(mapped.owner).toBe('cpu')
      dmaSyncSgtableForDevice(device, table, FromDevice)
      dmaSyncSgForCpu(device, table, table.origNents, FromDevice)
      dmaSyncSgForDevice(device, table, table.origNents, FromDevice)
      expect(mapped.owner).toBe('device')
      dmaUnmapSgtable(device, table, FromDevice)
      expect(mapped.mapped).toBe(false)
      expect(() => dmaUnmapSgtable(device, table, FromDevice)).toThrow(code('DMA_NOT_MAPPED'))
      const first = dmaMapSg(device, table, 2 as never, ToDevice)
      dmaUnmapSg(device, table, 2 as never, ToDevice)
      expect(first.mapped).toBe(false)
      expect(() => dmaSyncSgtableForCpu(device, table, FromDevice)).toThrow(code('DMA_NOT_MAPPED'))
    })
  })

  it('another count or direction is refused, and which of several it is has to be told', () => {
    withEngine({ checks }, (device, _engine, { kernel }) => {
      using memory = allocateDmaMemory({ byteLength: PAGE, kernel })
      const table = pieces(memory.bytes, 3)
      const mapped = dmaMapSgtable(device, table, ToDevice)
      expect(() => dmaUnmapSg(device, table, 2 as never, ToDevice)).toThrow(code('DMA_WRONG_NENTS'))
      expect(() => dmaUnmapSgtable(device, table, FromDevice)).toThrow(code('DMA_WRONG_DIRECTION'))
      expect(() => dmaUnmapSgtable(device, table, 3 as never)).toThrow(code('DMA_INVALID_ARGUMENT'))
      expect(() => dmaSyncSgtableForCpu(device, table, Bidirectional)).toThrow(code('DMA_WRONG_DIRECTION'))
      const second = dmaMapSg(device, table, 1 as never, ToDevice)
      expect(() => dmaUnmapSg(device, table, 2 as never, ToDevice)).toThrow(code('DMA_NOT_MAPPED'))
      dmaUnmapSg(device, table, 1 as never, ToDevice)
      expect([mapped.mapped, second.mapped]).toEqual([true, false])
      mapped.unmap()
    })
  })
})

describe('what a checker has of tables', () => {
  const ledgerOf = (checker: DmaChecker | undefined) =>
    checker!.dump().map(({ family, size, owner }) => [family, size, owner])

  it('is a mapping for each segment that the device sees, in whatever way it is mapped', () => {
    withEngine({}, (device, _engine, { kernel }) => {
      setDmaOps(device, bounceOps(getDmaOps(device)))
      using memory = allocateDmaMemory({ byteLength: 2 * PAGE, kernel })
      using _region = createDmaRegion(device, { memory })
      // Two in place, one copied: what is mapped for it alone is a part of the table.
      const table = SgTable.fromBuffers([
        memory.bytes.subarray(0, 64),
        memory.bytes.subarray(128, 192),
        new Uint8Array(100),
      ])
      const mapped = dmaMapSgtable(device, table, Bidirectional)
      expect(ledgerOf(device.checker)).toEqual([
        ['sg', 64, 'device'],
        ['sg', 64, 'device'],
        ['sg', 100, 'device'],
      ])
      mapped.syncForCpu()
      expect(ledgerOf(device.checker)[0]).toEqual(['sg', 64, 'cpu'])
      expect(() => dmaUnmapSingle(device, mapped.dmaAddressAt(1), 64, Bidirectional)).toThrow(
        code('DMA_WRONG_FAMILY'),
      )
      mapped.unmap()
      expect(ledgerOf(device.checker)).toEqual([])
    })
  })

  it('says where a table was mapped and first unmapped that is unmapped again', () => {
    withEngine({ checks: 'collect' }, (device, _engine, machine) => {
      using memory = allocateDmaMemory({ byteLength: PAGE, kernel: machine.kernel })
      const mapped = dmaMapSgtable(device, pieces(memory.bytes, 2), ToDevice)
      mapped.unmap()
      expect(() => dmaUnmapSgtable(device, mapped)).toThrow(code('DMA_NOT_MAPPED'))
      expect(() => dmaSyncSgtableForCpu(device, mapped)).toThrow(code('DMA_NOT_MAPPED'))
      const [first, second] = machine.dmaErrors as DmaReport[]
      const here = expect.stringMatching(/by-table\.test\.ts/)
      const places = { mappedAt: here, unmappedAt: here, misusedAt: here }
      expect([first, second]).toMatchObject([
        { class: 12, ...places },
        { class: 18, ...places },
      ])
    })
  })

  it('refuses one that overlaps what is mapped, and leaves nothing of it', () => {
    withEngine({}, (device, _engine, { kernel }) => {
      using memory = allocateDmaMemory({ byteLength: PAGE, kernel })
      const single = dmaMapSingle(device, memory.bytes.subarray(0, 64), FromDevice)
      const children = device.children.size
      const table = pieces(memory.bytes, 2)
      expect(() => dmaMapSgtable(device, table, FromDevice)).toThrow(code('DMA_DEBUG'))
      expect([device.children.size, device.checker!.dump().length]).toEqual([children, 1])
      single.unmap()
      using _mapped = dmaMapSgtable(device, table, FromDevice)
      expect(() => dmaMapSingle(device, memory.bytes.subarray(128, 192), FromDevice)).toThrow(
        code('DMA_DEBUG'),
      )
    })
  })

  it('forgets a table whose region was closed', () => {
    withEngine({}, (device, _engine, { kernel }) => {
      using memory = allocateDmaMemory({ byteLength: PAGE, kernel })
      const region = createDmaRegion(device, { memory })
      dmaMapSgtable(device, pieces(memory.bytes, 2), FromDevice)
      region.close()
      expect(device.checker!.dump()).toEqual([])
      using _again = dmaMapSgtable(device, pieces(memory.bytes, 2), FromDevice)
    })
  })

  it('lets chunks of one table meet on a cache line, and nobody else on their whole ones', async () => {
    await withEngine({ checks: 'collect' }, async (device, _engine, machine) => {
      using memory = allocateDmaMemory({ byteLength: PAGE, kernel: machine.kernel })
      const table = SgTable.fromBuffers([memory.bytes])
      let mapped = 0
      const work = async () => {
        mapped = Math.max(mapped, device.checker!.dump().length)
      }
      await forEachChunk(device, table, FromDevice, { maxBytes: 1000, inFlight: 5 }, work)
      expect([mapped, machine.dmaErrors]).toEqual([5, []])
      using _chunk = mapChunks(device, table, FromDevice, { maxBytes: 1000 }).next().value!
      dmaMapSingle(device, memory.bytes.subarray(960, 1024), FromDevice).unmap()
      expect(machine.dmaErrors).toEqual([])
      dmaMapSingle(device, memory.bytes.subarray(896, 960), FromDevice).unmap()
      expect(machine.dmaErrors).toMatchObject([{ class: 5 }])
      expect(device.checker!.dump()).toHaveLength(1)
    })
  })

  it('is nothing of an allocation that was freed', () => {
    withEngine({}, (device) => {
      const allocation = dmaAllocNoncontiguous(device, 3 * PAGE, FromDevice)
      expect(ledgerOf(device.checker)).toEqual([['sg', 3 * PAGE, 'cpu']])
      allocation.free()
      expect(ledgerOf(device.checker)).toEqual([])
    })
  })

  it('ends with it', () => {
    withEngine({}, (device, _engine, { kernel }) => {
      using memory = allocateDmaMemory({ byteLength: PAGE, kernel })
      const mapped = dmaMapSgtable(device, pieces(memory.bytes, 2), FromDevice)
      setDmaChecker(device, undefined)
      mapped.syncForCpu()
      mapped.unmap()
    })
  })
})
