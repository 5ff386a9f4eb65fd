import assert from 'node:assert/strict'
import { allocateDmaMemory, createDmaRegion, DmaDirection, dmaAddress } from '@linux-dma/core'
import {
  type ChunkTransferError,
  forEachChunk,
  isChunkTransferError,
  type MappedChunk,
  mapChunks,
  SgTable,
} from '@linux-dma/sg'
import { openVfioDevice } from '@linux-dma/vfio'
import { EDU_LIMITS, ready } from '../edu-table'
import type { Host, Runner } from '../host'
import { refusal, withDevice, withoutLeaks } from '../with-device'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection
const entryLimit = '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit'

/** How a transfer of a large table ends before all of it is through, and what it waits for. */
export function sgChunkEnds({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const allocate = (pages: number) => allocateDmaMemory({ byteLength: pages * page, kernel })

  describe('sg chunk ends', () => {
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
