import assert from 'node:assert/strict'
import {
  addToDmaAddress,
  allocateDmaMemory,
  bounceOps,
  type CoherentAllocation,
  createDmaRegion,
  DmaDirection,
  dmaAllocCoherent,
  getDmaOps,
  type IoRegion,
  setDmaOps,
} from '@linux-dma/core'
import { forEachChunk, type MappedChunk, mapChunks, SgTable } from '@linux-dma/sg'
import { openVfioDevice } from '@linux-dma/vfio'
import { fillPattern, transfer } from '../edu'
import { EDU_LIMITS, listOf, readByDevice, ready, writeByDevice } from '../edu-table'
import type { Host, Runner } from '../host'
import { refusal, withDevice, withoutLeaks } from '../with-device'

const { ToDevice, FromDevice } = DmaDirection
const entryLimit = '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit'

/** Tables that are larger than what a device takes at a time. */
export function sgChunks({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const allocate = (pages: number) => allocateDmaMemory({ byteLength: pages * page, kernel })

  /** Pieces of two memories, at odd offsets and of odd lengths. */
  function oddTable(first: Uint8Array, second: Uint8Array): SgTable {
    return SgTable.fromBuffers([
      first.subarray(1, 2 * page + 3),
      second.subarray(page - 1, page + 1),
      first.subarray(3 * page, 6 * page),
      second.subarray(100, 101),
      second.subarray(2 * page + 4000, 4 * page),
    ])
  }

  /** Has the device read a chunk and write it to the same place in its own memory. */
  async function copyChunk(registers: IoRegion, chunk: MappedChunk, sink: CoherentAllocation): Promise<void> {
    assert.equal(chunk.nents, 1)
    await transfer(registers, 'to-device', chunk.dmaAddressAt(0), chunk.byteLength)
    await transfer(
      registers,
      'from-device',
      addToDmaAddress(sink.dmaAddress, chunk.byteOffset),
      chunk.byteLength,
    )
  }

  describe('sg chunks', () => {
    it('lets a device read a table in pieces that it takes, mapped one at a time', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using first = allocate(6)
        using second = allocate(4)
        using sink = dmaAllocCoherent(device, 8 * page)
        fillPattern(first.bytes, 1)
        fillPattern(second.bytes, 2)
        const table = oddTable(first.bytes, second.bytes)
        const expected = new Uint8Array(table.byteLength)
        table.copyToBuffer(expected)
        let done = 0
        let last: MappedChunk | undefined
        for (const chunk of mapChunks(device, table, ToDevice, EDU_LIMITS)) {
          assert.equal(last?.mapped ?? false, false)
          assert.deepEqual([chunk.byteOffset, chunk.mapped], [done, true])
          assert.ok(chunk.byteLength <= 4095)
          await copyChunk(registers, chunk, sink)
          done += chunk.byteLength
          last = chunk
        }
        assert.equal(done, table.byteLength)
        assert.deepEqual(Buffer.from(sink.bytes.subarray(0, done)), Buffer.from(expected))
        assert.equal(last?.mapped, false)
        assert.equal(device.children.size, 1)
      }))

    it('lets a device write a table, several chunks in flight, and nothing beside it', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using first = allocate(6)
        using second = allocate(4)
        using source = dmaAllocCoherent(device, 8 * page)
        fillPattern(source.bytes, 3)
        first.bytes.fill(0xee)
        second.bytes.fill(0xee)
        const table = oddTable(first.bytes, second.bytes)
        let mapped = 0
        let most = 0
        let engine = Promise.resolve()
        const done = await forEachChunk(
          device,
          table,
          FromDevice,
          { maxBytes: 6000, maxSegments: 3, inFlight: 3 },
          async (chunk) => {
            most = Math.max(most, ++mapped)
            const { byteOffset } = chunk
            // The device does one thing at a time.
            engine = engine.then(async () => {
              const from = { dmaAddress: addToDmaAddress(source.dmaAddress, byteOffset) }
              await writeByDevice(registers, chunk, from)
            })
            await engine
            mapped--
          },
        )
        assert.equal(done, table.byteLength)
        assert.equal(most, 3)
        const bytes = new Uint8Array(done)
        table.copyToBuffer(bytes)
        assert.deepEqual(Buffer.from(bytes), Buffer.from(source.bytes.subarray(0, done)))
        const untouched = (memory: Uint8Array) => memory.filter((byte) => byte === 0xee).length
        table.zero()
        assert.equal(untouched(first.bytes) + untouched(second.bytes), 10 * page - done)
        assert.equal(device.children.size, 1)
      }))

    it('costs no entry of the IOMMU in a region', () =>
      withoutLeaks(host, async () => {
        const before = kernel.readText(entryLimit)
        kernel.writeText(entryLimit, '1')
        try {
          using device = ready(openVfioDevice(host.edu, { kernel }))
          const registers = device.bar(0)
          using region = createDmaRegion(device, { byteLength: 16 * page })
          fillPattern(region.bytes.subarray(0, 8 * page), 5)
          const table = SgTable.fromPages([0, 1, 2, 5, 4], { memory: region.memory })
          const limits = { maxBytes: 2 * page, maxSegments: 2, boundary: 0xfff, maxSegmentBytes: 3000 }
          const expected = new Uint8Array(table.byteLength)
          table.copyToBuffer(expected)
          for (const chunk of mapChunks(device, table, ToDevice, limits)) {
            for (const { address, byteLength } of listOf(chunk)) {
              assert.ok(byteLength <= 3000)
              assert.equal(Math.floor(address / 4096), Math.floor((address + byteLength - 1) / 4096))
            }
            assert.ok(chunk.nents <= 2)
            const to = region.mapSingle(8 * page + chunk.byteOffset, chunk.byteLength, FromDevice)
            const { bytes } = region
            await readByDevice(registers, chunk, { dmaAddress: region.addressOf(to), bytes })
            region.unmapSingle(to)
          }
          assert.deepEqual(Buffer.from(region.bytes.subarray(8 * page, 13 * page)), Buffer.from(expected))
        } finally {
          kernel.writeText(entryLimit, before.trim())
        }
      }))

    it('waits where the slots run out', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        const byteLength = 262_144
        setDmaOps(device, bounceOps(getDmaOps(device), { force: true, byteLength }))
        using memory = allocate(256)
        fillPattern(memory.bytes, 11)
        using sink = dmaAllocCoherent(device, page)
        const table = SgTable.fromBuffers([memory.bytes])
        let flying = 0
        let most = 0
        let engine = Promise.resolve()
        const options = { maxBytes: byteLength / 4, inFlight: 16 }
        const done = await forEachChunk(device, table, ToDevice, options, async (chunk) => {
          most = Math.max(most, ++flying)
          // There is one engine for all that fly: the head of each goes through it.
          const head = async () => {
            await transfer(registers, 'to-device', chunk.dmaAddressAt(0), 64)
            await transfer(registers, 'from-device', sink.dmaAddress, 64)
            const sent = memory.bytes.subarray(chunk.byteOffset, chunk.byteOffset + 64)
            assert.deepEqual(Buffer.from(sink.bytes.subarray(0, 64)), Buffer.from(sent))
          }
          engine = engine.then(head)
          await engine
          flying--
        })
        assert.equal(done, table.byteLength)
        assert.ok(most >= 2 && most <= 4, String(most))
      }))

    it('goes through slots where the device path copies, within their limits', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        setDmaOps(device, bounceOps(getDmaOps(device), { byteLength: 1 << 20 }))
        using sink = dmaAllocCoherent(device, 4 * page)
        const heap = new Uint8Array(600_000)
        fillPattern(heap, 7)
        const table = SgTable.fromBuffers([heap.subarray(33)])
        const limits = { maxBytes: 400_000, maxSegments: 2, maxSegmentBytes: 400_000, boundary: 0x1_ffff }
        let done = 0
        for (const chunk of mapChunks(device, table, ToDevice, limits)) {
          assert.ok(chunk.nents <= 2)
          for (const { address, byteLength } of listOf(chunk)) {
            assert.equal(Math.floor(address / 0x2_0000), Math.floor((address + byteLength - 1) / 0x2_0000))
          }
          if (chunk.index === 0) {
            const head = { nents: chunk.nents, byteLength: Math.min(100, chunk.dmaLengthAt(0)) }
            await transfer(registers, 'to-device', chunk.dmaAddressAt(0), head.byteLength)
            await transfer(registers, 'from-device', sink.dmaAddress, head.byteLength)
            assert.deepEqual(
              Buffer.from(sink.bytes.subarray(0, head.byteLength)),
              Buffer.from(heap.subarray(33, 33 + head.byteLength)),
            )
          }
          done += chunk.byteLength
        }
        assert.equal(done, table.byteLength)
      }))

    it('refuses limits that are none, before anything happens', () =>
      withDevice(host, async (device) => {
        ready(device)
        using memory = allocate(2)
        const table = SgTable.fromBuffers([memory.bytes])
        for (const wrong of [
          {},
          { maxBytes: 0 },
          { maxBytes: 1.5 },
          { maxBytes: Number.NaN },
          { maxBytes: 64, maxSegments: 0 },
          { maxBytes: 64, maxSegments: -1 },
          { maxBytes: 64, maxSegmentBytes: 2 ** 32 },
          { maxBytes: 64, boundary: 0x1000 },
          { maxBytes: 64, boundary: 0x7ffn },
          { maxBytes: 64, boundary: '0xfff' },
          { maxBytes: 64, maxsegments: 1 },
        ]) {
          refusal(() => mapChunks(device, table, ToDevice, wrong as never), 'DMA_INVALID_ARGUMENT')
          await assert.rejects(
            forEachChunk(device, table, ToDevice, wrong as never, () => assert.fail('transferred')),
            { code: 'DMA_INVALID_ARGUMENT' },
          )
        }
        for (const wrong of [{ inFlight: 0 }, { inFlight: 1.5 }, { signal: {} }]) {
          await assert.rejects(
            forEachChunk(device, table, ToDevice, { maxBytes: 64, ...wrong } as never, () =>
              assert.fail('transferred'),
            ),
            { code: 'DMA_INVALID_ARGUMENT' },
          )
        }
        await assert.rejects(forEachChunk(device, table, ToDevice, { maxBytes: 64 }, 5 as never), {
          code: 'DMA_INVALID_ARGUMENT',
        })
        assert.equal(device.children.size, 0)
      }))
  })
}
