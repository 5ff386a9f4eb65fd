import assert from 'node:assert/strict'
import {
  allocateDmaMemory,
  createDmaRegion,
  DmaDirection,
  type DmaMemory,
  directOps,
  dmaMapSingle,
  physicalAddressAt,
  physicalAddresses,
  readFrames,
  toNumber,
} from '@linux-dma/core'
import type { Host, Runner } from '../host'
import { withHugePages } from '../huge-pages'
import { refusal, withDevice, withoutLeaks } from '../with-device'

/** Where memory lies in the machine: told of pinned pages, and of those only. */
export function dmaPhysical({ describe, it, skip }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize

  const withMemory = (pages: number, test: (memory: DmaMemory) => void | Promise<void>) =>
    withoutLeaks(host, async () => {
      using memory = allocateDmaMemory({ byteLength: pages * page, kernel })
      await test(memory)
    })

  describe('dma physical', () => {
    it('tells of all pages at once what it tells of each, and what the kernel says', () =>
      withMemory(300, (memory) => {
        using _pin = memory.pin()
        const frames = readFrames(memory)
        assert.equal(frames.length, 300)
        assert.equal(new Set(frames).size, 300)
        assert.ok(frames.every((frame) => Number.isSafeInteger(frame) && frame > 0))
        const each = Array.from({ length: 300 }, (_, index) =>
          readFrames(memory, { byteOffset: index * page, byteLength: 1 }),
        )
        assert.deepEqual(
          [...frames],
          each.map((one) => one[0]),
        )
        const entries = new BigUint64Array(300)
        kernel.readPagemap(memory.address, entries)
        assert.deepEqual(
          [...frames],
          [...entries].map((entry) => Number(entry & ((1n << 55n) - 1n))),
        )
        const narrow = readFrames(memory, {}, new Uint32Array(301))
        assert.deepEqual([...narrow.subarray(0, 300)], [...frames])
      }))

    it('gives the address of a byte, and of each page of a range', () =>
      withMemory(4, (memory) => {
        using _pin = memory.pin()
        const frames = readFrames(memory)
        const address = (byteOffset: number) =>
          frames[Math.floor(byteOffset / page)]! * page + (byteOffset % page)
        for (const byteOffset of [0, 1, page - 1, page, 3 * page + 17, 4 * page - 1]) {
          assert.equal(toNumber(physicalAddressAt(memory, byteOffset)), address(byteOffset))
        }
        const range = { byteOffset: page + 100, byteLength: 2 * page }
        assert.deepEqual(physicalAddresses(memory, range).map(toNumber), [
          address(page + 100),
          address(2 * page),
          address(3 * page),
        ])
        assert.deepEqual(physicalAddresses(memory, { byteOffset: 5, byteLength: page - 5 }).map(toNumber), [
          address(5),
        ])
      }))

    it('refuses memory that may be moved, and says what keeps it in place', () =>
      withMemory(4, (memory) => {
        memory.bytes.fill(1)
        assert.equal(memory.isPinned(), false)
        refusal(() => readFrames(memory), 'DMA_NOT_PINNED', /memory\.pin\(\).*mlock\(\) does not pin/)
        refusal(() => physicalAddressAt(memory, 0), 'DMA_NOT_PINNED')
        refusal(() => physicalAddresses(memory), 'DMA_NOT_PINNED')
        const pin = memory.pin(page, 1)
        assert.deepEqual([pin.byteOffset, pin.byteLength, pin.closed], [page, page, false])
        readFrames(memory, { byteOffset: page, byteLength: page })
        refusal(() => readFrames(memory, { byteOffset: page, byteLength: page + 1 }), 'DMA_NOT_PINNED')
        refusal(() => readFrames(memory, { byteOffset: page - 1, byteLength: 1 }), 'DMA_NOT_PINNED')
        pin.close()
        pin.close()
        refusal(() => readFrames(memory, { byteOffset: page, byteLength: page }), 'DMA_NOT_PINNED')
      }))

    it('puts together what several pins, and devices, hold', () =>
      withDevice(host, (device) => {
        device.setMaster()
        using memory = allocateDmaMemory({ byteLength: 8 * page, kernel })
        using _last = memory.pin(6 * page)
        using first = memory.pin(0, 2 * page + 1)
        assert.equal(memory.isPinned(0, 3 * page), true)
        assert.equal(memory.isPinned(6 * page, 2 * page), true)
        assert.equal(memory.isPinned(), false)
        const middle = dmaMapSingle(
          device,
          memory.bytes.subarray(3 * page, 6 * page),
          DmaDirection.FromDevice,
        )
        assert.equal(memory.isPinned(), true)
        const frames = readFrames(memory)
        first.close()
        assert.equal(memory.isPinned(0, 4 * page), false)
        assert.deepEqual(readFrames(memory, { byteOffset: 3 * page }), frames.subarray(3))
        middle.unmap()
        assert.equal(memory.isPinned(3 * page, page), false)
      }))

    it('needs no pin of what VFIO has pinned, for as long as it has', () =>
      withDevice(host, (device) => {
        device.setMaster()
        using memory = allocateDmaMemory({ byteLength: 16 * page, kernel })
        const region = createDmaRegion(device, { memory })
        const frames = readFrames(memory)
        using pin = memory.pin()
        region.close()
        assert.deepEqual(readFrames(memory), frames)
        pin.close()
        refusal(() => readFrames(memory), 'DMA_NOT_PINNED')
      }))

    it('needs no pin of huge pages, whose frames follow each other', () =>
      withoutLeaks(host, () =>
        withHugePages(host, 2, (hugePageSize) => {
          // Never looked at: the pages are made when they are asked for.
          using memory = allocateDmaMemory({ byteLength: 2 * hugePageSize, kernel, hugePageSize })
          assert.equal(memory.isPinned(), true)
          const frames = readFrames(memory)
          const perHugePage = hugePageSize / page
          for (let i = 0; i < frames.length; i++) {
            assert.equal(frames[i], frames[i - (i % perHugePage)]! + (i % perHugePage))
          }
          assert.equal(frames[0]! % perHugePage, 0)
          assert.equal(toNumber(physicalAddressAt(memory, hugePageSize + 5)), frames[perHugePage]! * page + 5)
        }),
      ))

    it('tells nothing to those without privileges', async () => {
      const outcome = await host.asUser('readFrameNumbers', { ownsGroup: false, memlockBytes: 65_536 })
      assert.equal(outcome.code, 'DMA_NO_FRAME', outcome.message)
      assert.match(outcome.hint ?? '', /CAP_SYS_ADMIN/)
      assert.deepEqual([outcome.succeeded, outcome.leaked], [1, 0])
    })

    it('refuses ranges outside the memory, and arrays that do not fit', () =>
      withMemory(4, (memory) => {
        using _pin = memory.pin()
        for (const [byteOffset, byteLength] of [
          [0, 0],
          [0, 4 * page + 1],
          [4 * page, 1],
          [-1, 1],
          [0, -1],
          [0.5, 1],
          [0, 1.5],
          [Number.NaN, 1],
          [0, Number.NaN],
          [2 ** 53, 1],
          [0, 2 ** 53],
          [0n, 1],
        ] as [number, number][]) {
          refusal(() => readFrames(memory, { byteOffset, byteLength }), 'DMA_RANGE')
          refusal(() => physicalAddresses(memory, { byteOffset, byteLength }), 'DMA_RANGE')
          refusal(() => memory.pin(byteOffset, byteLength), 'DMA_RANGE')
          refusal(() => memory.isPinned(byteOffset, byteLength), 'DMA_RANGE')
        }
        refusal(() => physicalAddressAt(memory, 4 * page), 'DMA_RANGE')
        refusal(() => physicalAddressAt(memory, undefined as never), 'DMA_RANGE')
        for (const frames of [new Float64Array(3), new Uint32Array(3), new Int32Array(4), [], {}]) {
          refusal(() => readFrames(memory, {}, frames as Float64Array), 'DMA_INVALID_ARGUMENT')
        }
        refusal(() => readFrames(memory, { offset: 0 } as never), 'DMA_INVALID_ARGUMENT', /byteOffset/)
      }))

    it('lets pins go with their memory, and pins nothing that is closed', () =>
      withoutLeaks(host, () => {
        const memory = allocateDmaMemory({ byteLength: 4 * page, kernel })
        const pins = [memory.pin(), memory.pin(0, 1)]
        memory.close()
        assert.ok(pins.every((pin) => pin.closed))
        for (const pin of pins) pin.close()
        refusal(() => memory.pin(), 'DMA_CLOSED')
        refusal(() => memory.isPinned(), 'DMA_CLOSED')
        refusal(() => readFrames(memory), 'DMA_CLOSED')
      }))

    it('does not take a device that is translated for', () =>
      withoutLeaks(host, () => {
        const options = { unsafePhysicalAddresses: true, kernel, pciAddress: host.edu } as const
        refusal(() => directOps(options), 'DMA_TRANSLATED', /openVfioDevice.*iommu=pt/)
      }))

    const fork = 'tells the same frames after the process forked and wrote'
    const { runProcess } = host
    if (!runProcess) return skip(fork, 'this host has one process and no other')
    it(fork, () =>
      withMemory(64, async (memory) => {
        using _pin = memory.pin()
        memory.bytes.fill(1)
        const before = readFrames(memory)
        // The child lives while the parent writes.
        const child = runProcess('setTimeout(() => {}, 300)')
        for (let round = 2; round < 5; round++) {
          await kernel.clock.sleep(50)
          memory.bytes.fill(round)
          assert.deepEqual(readFrames(memory), before)
        }
        assert.equal((await child).status, 0)
      }),
    )
  })
}
