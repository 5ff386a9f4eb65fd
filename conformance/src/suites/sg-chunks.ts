import assert from 'node:assert/strict'
import {
  addToDmaAddress,
  allocateDmaMemory,
  bounceOps,
  createDmaRegion,
  DmaDirection,
  type DmaRegion,
  dmaAddress,
  getDmaOps,
  type IoRegion,
  setDmaOps,
} from '@linux-dma/core'
import {
  type ChunkTransferError,
  forEachChunk,
  isChunkTransferError,
  type MappedChunk,
  mapChunks,
  SgTable,
} from '@linux-dma/sg'
import { openVfioDevice } from '@linux-dma/vfio'
import { fillPattern, transfer } from '../edu'
import { listOf, readByDevice, ready, writeByDevice } from '../edu-table'
import type { Host, Runner } from '../host'
import { refusal, withDevice, withoutLeaks } from '../with-device'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection
const entryLimit = '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit'
/** What the edu device takes: one segment, of fewer bytes than its buffer has. */
const EDU_LIMITS = { maxBytes: 4095, maxSegments: 1 }

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

  /** Has the device read a chunk and write it to the same place in a region. */
  async function copyChunk(registers: IoRegion, chunk: MappedChunk, sink: DmaRegion): Promise<void> {
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
        using sink = createDmaRegion(device, { byteLength: 8 * page })
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

    it('gives memory back when the device is at rest, also where a transfer is aborted', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        // A region stays mapped: nothing but the device itself ends its writing there.
        using region = createDmaRegion(device, { byteLength: 2 * page })
        const table = SgTable.fromBuffers([region.bytes])
        const atRest = (signal?: AbortSignal) =>
          registers.pollUntil(0x98, (command) => (command & 1) === 0, {
            timeoutMilliseconds: 5000,
            intervalMilliseconds: 1,
            ...(signal && { signal }),
          })
        const controller = new AbortController()
        const options = {
          ...EDU_LIMITS,
          signal: controller.signal,
          terminate: async () => void (await atRest()),
        }
        const transferred = forEachChunk(device, table, FromDevice, options, async (chunk, { signal }) => {
          registers.writeAddress(0x80, dmaAddress(0x4_0000))
          registers.writeAddress(0x88, chunk.dmaAddressAt(0))
          registers.write32(0x90, chunk.byteLength)
          registers.write32(0x98, 3)
          setImmediate(() => controller.abort(new Error('enough')))
          await atRest(signal)
        })
        const error = await transferred.then(
          () => assert.fail('went through'),
          (thrown: unknown) => thrown,
        )
        assert.ok(isChunkTransferError(error))
        assert.equal((error.cause as Error).message, 'enough')
        region.bytes.fill(0x22)
        await kernel.clock.sleep(300)
        assert.ok(region.bytes.every((byte) => byte === 0x22))
      }))

    it('lets a device write a table, several chunks in flight, and nothing beside it', () =>
      withDevice(host, async (device) => {
        const registers = ready(device).bar(0)
        using first = allocate(6)
        using second = allocate(4)
        using source = createDmaRegion(device, { byteLength: 8 * page })
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
            const to = 8 * page + chunk.byteOffset
            await readByDevice(registers, chunk, {
              dmaAddress: region.addressAt(to, chunk.byteLength),
              bytes: region.bytes,
            })
          }
          assert.deepEqual(Buffer.from(region.bytes.subarray(8 * page, 13 * page)), Buffer.from(expected))
        } finally {
          kernel.writeText(entryLimit, before.trim())
        }
      }))

    it('leaves nothing mapped when a loop is left', () =>
      withDevice(host, (device) => {
        ready(device)
        using memory = allocate(8)
        const table = SgTable.fromBuffers([memory.bytes])
        let kept: MappedChunk | undefined
        for (const chunk of mapChunks(device, table, ToDevice, EDU_LIMITS)) {
          assert.equal(device.children.size, 1)
          kept = chunk
          break
        }
        assert.equal(device.children.size, 0)
        refusal(() => kept!.dmaAddressAt(0), 'DMA_NOT_MAPPED')
        refusal(() => kept!.unmap(), 'DMA_NOT_MAPPED')
        assert.throws(() => {
          for (const _chunk of mapChunks(device, table, ToDevice, EDU_LIMITS)) throw new Error('inside')
        }, /inside/)
        assert.equal(device.children.size, 0)
        using chunks = mapChunks(device, table, ToDevice, EDU_LIMITS)
        chunks.next().value?.unmap()
        assert.equal(device.children.size, 0)
        chunks.next()
        chunks[Symbol.dispose]()
        assert.equal(device.children.size, 0)
        assert.equal(chunks.next().done, true)
      }))

    it('says how far a transfer came that failed, and waits for what was in flight', () =>
      withDevice(host, async (device) => {
        ready(device)
        using memory = allocate(8)
        const table = SgTable.fromBuffers([memory.bytes])
        const failure = new Error('the device stopped')
        const ended: number[] = []
        let fourthBegins = () => {}
        const fourth = new Promise<void>((resolve) => {
          fourthBegins = resolve
        })
        const stopped = (signal: AbortSignal) =>
          new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
        const error = await failing(
          forEachChunk(
            device,
            table,
            Bidirectional,
            { maxBytes: page, inFlight: 3 },
            async ({ index }, { signal }) => {
              if (index === 4) fourthBegins()
              if (index === 3) {
                await fourth
                throw failure
              }
              if (index === 1 || index === 4) await stopped(signal)
              await kernel.clock.sleep(1)
              ended.push(index)
            },
          ),
        )
        // 1 was begun before 3 failed and ended after it; 4 was in flight, and behind what failed.
        assert.equal(error.cause, failure)
        assert.deepEqual(ended.sort(), [0, 1, 2, 4])
        assert.equal(error.bytesDone, 3 * page)
        assert.match(error.message, /the device stopped/)
        assert.equal(device.children.size, 0)
      }))

    it('stops at a signal', () =>
      withDevice(host, async (device) => {
        ready(device)
        using memory = allocate(8)
        const table = SgTable.fromBuffers([memory.bytes])
        const aborted = AbortSignal.abort(new Error('before'))
        const limits = { maxBytes: page, inFlight: 2 }
        const never = () => assert.fail('transferred')
        const before = await failing(
          forEachChunk(device, table, ToDevice, { ...limits, signal: aborted }, never),
        )
        assert.deepEqual([before.bytesDone, before.cause], [0, aborted.reason])
        const controller = new AbortController()
        const during = await failing(
          forEachChunk(
            device,
            table,
            ToDevice,
            { ...limits, signal: controller.signal },
            async (chunk, { signal }) => {
              if (chunk.index === 2) controller.abort()
              await kernel.clock.sleep(1)
              if (chunk.index >= 2) assert.equal(signal.reason, controller.signal.reason)
            },
          ),
        )
        assert.equal(during.cause, controller.signal.reason)
        assert.ok(during.bytesDone >= 3 * page && during.bytesDone <= 4 * page, String(during.bytesDone))
        assert.equal(device.children.size, 0)
      }))

    it('waits where the entries of the IOMMU run out, and says how far it came where that does not help', () =>
      withoutLeaks(host, async () => {
        const before = kernel.readText(entryLimit)
        try {
          kernel.writeText(entryLimit, '3')
          using device = ready(openVfioDevice(host.edu, { kernel }))
          using memory = allocate(12)
          const limits = { maxBytes: 2 * page, inFlight: 2 }
          let flying = 0
          let most = 0
          const transfer = async () => {
            most = Math.max(most, ++flying)
            await kernel.clock.sleep(1)
            flying--
          }
          // Two entries a chunk: there is room for one at a time.
          const apart = SgTable.fromPages([0, 2, 4, 6, 8, 10], { memory })
          assert.equal(await forEachChunk(device, apart, ToDevice, limits, transfer), 6 * page)
          assert.equal(most, 1)
          // One entry in flight, and then four wanted: more than there are.
          const wanting = SgTable.fromPages([0, 1, 2, 3, 5, 7, 9, 11], { memory })
          const four = { maxBytes: 4 * page, inFlight: 2 }
          const error = await failing(forEachChunk(device, wanting, ToDevice, four, transfer))
          assert.equal((error.cause as { code?: string }).code, 'ENOSPC')
          assert.equal(error.bytesDone, 4 * page)
          assert.equal(device.children.size, 0)
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
        using sink = createDmaRegion(device, { byteLength: page })
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
        using sink = createDmaRegion(device, { byteLength: 4 * page })
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

    it('ends with the device in the middle of a transfer', () =>
      withoutLeaks(host, async () => {
        using device = ready(openVfioDevice(host.edu, { kernel }))
        using memory = allocate(4)
        const table = SgTable.fromBuffers([memory.bytes])
        const error = await failing(
          forEachChunk(device, table, ToDevice, { maxBytes: page }, (chunk) => {
            if (chunk.index === 1) device.close()
          }),
        )
        assert.equal((error.cause as { code?: string }).code, 'DMA_NOT_MAPPED')
        assert.equal(error.bytesDone, page)
      }))
  })
}

/** The error of a transfer that has to fail. */
async function failing(transferred: Promise<number>): Promise<ChunkTransferError> {
  try {
    await transferred
  } catch (error) {
    assert.equal((error as ChunkTransferError).code, 'DMA_TRANSFER_INCOMPLETE', (error as Error).stack)
    return error as ChunkTransferError
  }
  return assert.fail('it went through')
}
