import {
  allocateDmaMemory,
  bounceOps,
  bouncePoolOf,
  createDmaRegion,
  DmaAttribute,
  DmaDirection,
  getDmaOps,
  setDmaOps,
} from '@linux-dma/core'
import { describe, expect, it } from 'vitest'
import { plainOps, withEngine } from '../../test-support/device'
import { SgTable } from '../table/sg-table'
import { type ChunkTransferError, isChunkTransferError } from './chunk-transfer-error'
import { forEachChunk } from './for-each-chunk'
import { mapChunks } from './map-chunks'

const { ToDevice, FromDevice, Bidirectional } = DmaDirection
const PAGE = 4096

const failureOf = (run: Promise<number>): Promise<ChunkTransferError> =>
  run.then(
    () => expect.fail('went through'),
    (error) => error,
  )

describe('forEachChunk', () => {
  it('has as many in flight as it is told, and no more', () =>
    withEngine({}, async (device) => {
      using region = createDmaRegion(device, { byteLength: 16_384 * 16 })
      const table = SgTable.fromBuffers([region.bytes])
      let flying = 0
      let most = 0
      const options = { maxBytes: 16, inFlight: 1024 }
      const done = await forEachChunk(device, table, ToDevice, options, async () => {
        most = Math.max(most, ++flying)
        await Promise.resolve()
        flying--
      })
      expect([done, most, flying]).toEqual([table.byteLength, 1024, 0])
    }))

  it('brings the device to rest once, before it unmaps what failed', () =>
    withEngine({}, async (device, _engine, machine) => {
      using memory = allocateDmaMemory({ byteLength: 4 * PAGE, kernel: machine.kernel })
      const table = SgTable.fromPages([0, 2], { memory })
      const calls: string[] = []
      const terminate = async () => {
        calls.push(`terminate with ${device.children.size} mapped`)
        await machine.kernel.clock.sleep(5)
        calls.push('at rest')
      }
      const options = { maxBytes: PAGE, inFlight: 2, terminate }
      const error = await failureOf(
        forEachChunk(device, table, FromDevice, options, async (chunk, { signal }) => {
          await machine.kernel.clock.sleep(chunk.index === 0 ? 1 : 1000, { signal })
          throw new Error(`chunk ${chunk.index}`)
        }),
      )
      expect(isChunkTransferError(error)).toBe(true)
      expect((error.cause as Error).message).toBe('chunk 0')
      expect(calls).toEqual(['terminate with 2 mapped', 'at rest'])
      expect(device.children.size).toBe(0)
    }))

  it('has the device stop at an abort, for transfers that wait for nothing but the device', () =>
    withEngine({}, async (device, _engine, machine) => {
      using memory = allocateDmaMemory({ byteLength: 4 * PAGE, kernel: machine.kernel })
      const table = SgTable.fromBuffers([memory.bytes])
      const controller = new AbortController()
      const completions: (() => void)[] = []
      let terminated = 0
      const terminate = () => {
        terminated++
        for (const complete of completions) complete()
      }
      const options = { maxBytes: PAGE, inFlight: 2, signal: controller.signal, terminate }
      const run = forEachChunk(device, table, FromDevice, options, () => {
        if (completions.length === 1) queueMicrotask(() => controller.abort(new Error('enough')))
        return new Promise<void>((resolve) => completions.push(resolve))
      })
      const error = await failureOf(run)
      expect([terminated, (error.cause as Error).message]).toEqual([1, 'enough'])
      expect(device.children.size).toBe(0)
    }))

  it('leaves the device alone where all went well, and tells of both where it does not come to rest', () =>
    withEngine({}, async (device, _engine, machine) => {
      using memory = allocateDmaMemory({ byteLength: 2 * PAGE, kernel: machine.kernel })
      const table = SgTable.fromBuffers([memory.bytes])
      const terminate = () => {
        throw new Error('it goes on')
      }
      const options = { maxBytes: PAGE, terminate }
      expect(await forEachChunk(device, table, ToDevice, options, async () => {})).toBe(2 * PAGE)
      const error = await failureOf(
        forEachChunk(device, table, ToDevice, options, () => Promise.reject(new Error('no answer'))),
      )
      const { errors } = error.cause as AggregateError
      expect(errors.map(({ message }) => message)).toEqual(['no answer', 'it goes on'])
      expect(device.children.size).toBe(0)
      const wrong = { maxBytes: PAGE, terminate: 5 as never }
      await expect(forEachChunk(device, table, ToDevice, wrong, async () => {})).rejects.toThrow(/terminate/)
    }))

  it('waits for a chunk to end where the bounce buffer holds no more', () =>
    withEngine({}, async (device) => {
      setDmaOps(device, bounceOps(getDmaOps(device), { force: true, byteLength: 262_144 }))
      using memory = allocateDmaMemory({ byteLength: 1 << 20, kernel: device.kernel })
      const table = SgTable.fromBuffers([memory.bytes])
      let flying = 0
      let most = 0
      const options = { maxBytes: 65_536, inFlight: 8 }
      const done = await forEachChunk(device, table, ToDevice, options, async () => {
        most = Math.max(most, ++flying)
        await device.kernel.clock.sleep(1)
        flying--
      })
      expect([done, most, flying]).toEqual([1 << 20, 4, 0])
      expect(bouncePoolOf(device)?.usedSlots).toBe(0)
    }))

  it('waits where the IOMMU takes no more, with the same bytes next', () =>
    withEngine({}, async (device, engine, machine) => {
      using memory = allocateDmaMemory({ byteLength: 12 * PAGE, kernel: machine.kernel })
      for (let i = 0; i < 12; i++) memory.bytes.fill(i + 1, i * PAGE, (i + 1) * PAGE)
      const table = SgTable.fromPages([0, 2, 4, 6, 8, 10], { memory })
      for (const code of ['ENOMEM', 'ENOSPC'] as const) {
        for (const nth of [2, 3, 6]) {
          machine.failCall({ syscall: 'ioctl(VFIO_IOMMU_MAP_DMA)', nth, code })
          const seen: number[] = []
          const options = { maxBytes: PAGE, inFlight: 3 }
          const done = await forEachChunk(device, table, ToDevice, options, async (chunk) => {
            seen[chunk.index] = engine.gather(chunk)[0]!
            await machine.kernel.clock.sleep(1)
          })
          expect([done, seen]).toEqual([6 * PAGE, [1, 3, 5, 7, 9, 11]])
        }
      }
      expect([memory.quarantined, device.children.size]).toEqual([false, 0])
    }))

  it('does not wait where nothing is in flight that could make room', () =>
    withEngine({}, async (device) => {
      setDmaOps(device, bounceOps(getDmaOps(device), { force: true, byteLength: 262_144 }))
      using memory = allocateDmaMemory({ byteLength: 1 << 20, kernel: device.kernel })
      const table = SgTable.fromPages([...Array(256).keys()], { memory, maxSegment: PAGE })
      const options = { maxBytes: 524_288, inFlight: 8 }
      const error = await failureOf(forEachChunk(device, table, ToDevice, options, () => {}))
      expect(error.bytesDone).toBe(0)
      expect(error.message).toContain('DMA_BOUNCE_FULL')
      expect(bouncePoolOf(device)?.usedSlots).toBe(0)
    }))

  it('tells how far it came, whatever is thrown', () =>
    withEngine({}, async (device) => {
      using region = createDmaRegion(device, { byteLength: 4 * PAGE })
      const table = SgTable.fromBuffers([region.bytes])
      const hostile = new Error('x')
      Object.defineProperty(hostile, 'message', {
        get() {
          throw new TypeError('no message')
        },
      })
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      for (const cause of [Object.create(null), Symbol('s'), hostile, proxy, undefined, null, '', 0n]) {
        const error = await failureOf(
          forEachChunk(device, table, ToDevice, { maxBytes: PAGE }, ({ index }) => {
            if (index === 2) throw cause
          }),
        )
        expect([error.code, error.bytesDone]).toEqual(['DMA_TRANSFER_INCOMPLETE', 2 * PAGE])
        expect(error.cause === cause).toBe(true)
      }
    }))
})

describe('attributes of chunks', () => {
  it('hold for map and unmap: with SkipCpuSync the syncs are the caller’s', () =>
    withEngine({}, async (device) => {
      const syncs: string[] = []
      setDmaOps(device, plainOps(getDmaOps(device), syncs))
      using region = createDmaRegion(device, { byteLength: 2 * PAGE })
      const table = SgTable.fromBuffers([region.bytes])
      const options = { maxBytes: PAGE, attributes: DmaAttribute.SkipCpuSync }
      for (const _chunk of mapChunks(device, table, Bidirectional, options));
      await forEachChunk(device, table, Bidirectional, options, () => {})
      await failureOf(
        forEachChunk(device, table, Bidirectional, options, () => {
          throw new Error('failed')
        }),
      )
      expect(syncs).toEqual([])
      await forEachChunk(device, table, FromDevice, options, (chunk) => {
        if (chunk.index === 1) chunk.unmap(0)
      })
      expect(syncs).toHaveLength(1)
      for (const chunk of mapChunks(device, table, Bidirectional, { maxBytes: PAGE })) chunk.unmap()
      expect(syncs).toHaveLength(5)
    }))

  it('are refused before anything happens where tables know none such', () =>
    withEngine({}, async (device) => {
      using region = createDmaRegion(device, { byteLength: PAGE })
      const table = SgTable.fromBuffers([region.bytes])
      const options = { maxBytes: PAGE, attributes: DmaAttribute.Mmio }
      expect(() => mapChunks(device, table, ToDevice, options)).toThrow('DMA_ATTRIBUTE')
      await expect(forEachChunk(device, table, ToDevice, options, () => {})).rejects.toThrow('DMA_ATTRIBUTE')
    }))
})
