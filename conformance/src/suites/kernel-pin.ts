import assert from 'node:assert/strict'
import { F_SEAL_WRITE, type MemoryMapping } from '@linux-dma/native'
import type { Host, Runner } from '../host'
import { withHugePages } from '../huge-pages'
import { refusal, withoutLeaks } from '../with-device'

const ioUringSwitch = '/proc/sys/kernel/io_uring_disabled'
const compactMemory = '/proc/sys/vm/compact_memory'

/** Pinning pages: what it holds, what it counts, what it refuses. */
export function kernelPin({ describe, it, skip }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize

  const withMapping = (pages: number, test: (mapping: MemoryMapping, fd: number) => void | Promise<void>) =>
    withoutLeaks(host, async () => {
      const fd = kernel.memfd('conformance-pin', { byteLength: pages * page })
      using mapping = kernel.mmap(fd, { byteLength: pages * page })
      try {
        await test(mapping, fd)
      } finally {
        kernel.close(fd)
      }
    })
  const scratch = (byteLength: number): MemoryMapping => {
    const fd = kernel.memfd('conformance-scratch', { byteLength })
    const mapping = kernel.mmap(fd, { byteLength })
    kernel.close(fd)
    return mapping
  }
  const pinnedKilobytes = () => Number(/^VmPin:\s+(\d+) kB/m.exec(kernel.readText('/proc/self/status'))?.[1])
  const frames = (mapping: MemoryMapping) => {
    const entries = new BigUint64Array(mapping.byteLength / page)
    assert.equal(kernel.readPagemap(mapping.address, entries), entries.length)
    return entries.map((entry) => {
      assert.equal(entry >> 63n, 1n, 'present')
      return entry & ((1n << 55n) - 1n)
    })
  }

  describe('kernel pin', () => {
    it('makes the pages it pins, counts them, and lets them go', () =>
      withMapping(4, (mapping) => {
        const before = { ...kernel.live(), pinned: pinnedKilobytes() }
        const pin = kernel.pin(mapping)
        assert.equal(pin.closed, false)
        assert.ok(frames(mapping).every((frame) => frame !== 0n))
        assert.equal(kernel.live().descriptors, before.descriptors + 1)
        assert.equal(pinnedKilobytes() - before.pinned, (4 * page) / 1024)
        pin.close()
        pin.close()
        assert.equal(pin.closed, true)
        assert.deepEqual({ ...kernel.live(), pinned: pinnedKilobytes() }, before)
      }))

    it('pins parts, the pages that hold them whole, and the same pages twice', () =>
      withMapping(8, (mapping) => {
        const before = pinnedKilobytes()
        const pages = () => ((pinnedKilobytes() - before) * 1024) / page
        using one = kernel.pin(mapping, page + 1, 1)
        assert.equal(pages(), 1)
        using two = kernel.pin(mapping, 2 * page - 1, 2)
        assert.equal(pages(), 3)
        using rest = kernel.pin(mapping, 7 * page)
        assert.equal(pages(), 4)
        one.close()
        two.close()
        assert.equal(pages(), 1)
        assert.equal(rest.closed, false)
      }))

    it('holds pages that are mapped no longer', () =>
      withMapping(2, (mapping, fd) => {
        const before = pinnedKilobytes()
        mapping.bytes.fill(0x5a)
        using pin = kernel.pin(mapping)
        const held = frames(mapping)
        mapping.close()
        assert.equal(pinnedKilobytes() - before, (2 * page) / 1024)
        using again = kernel.mmap(fd, { byteLength: 2 * page })
        assert.ok(again.bytes.every((byte) => byte === 0x5a))
        assert.deepEqual(frames(again), held)
        assert.equal(pin.closed, false)
      }))

    it('counts as somebody who writes: the file cannot be sealed against that', () =>
      withMapping(1, async (mapping, fd) => {
        const pin = kernel.pin(mapping)
        mapping.close()
        refusal(() => kernel.addSeals(fd, F_SEAL_WRITE), 'EBUSY')
        pin.close()
        kernel.addSeals(fd, F_SEAL_WRITE)
      }))

    it('refuses what cannot be pinned, and what is no part of the mapping', () =>
      withMapping(2, (mapping, fd) => {
        using readOnly = kernel.mmap(fd, { byteLength: page, access: 'read' })
        refusal(() => kernel.pin(readOnly), 'EFAULT', /for reading and writing/)
        for (const [offset, length] of [
          [0, 0],
          [0, 2 * page + 1],
          [2 * page, 1],
          [page, page + 1],
          [-1, 1],
          [0, -1],
          [0.5, 1],
          [0, 1.5],
          [Number.NaN, 1],
          [0, Number.NaN],
          [2 ** 53, 1],
          [0, 2 ** 53],
          ['0', 1],
          [0n, 1],
        ] as [number, number][]) {
          refusal(() => kernel.pin(mapping, offset, length), 'DMA_INVALID_ARGUMENT')
        }
        for (const nothing of [undefined, null, {}, 5, { ...mapping }]) {
          refusal(() => kernel.pin(nothing as never), 'DMA_INVALID_ARGUMENT')
        }
        mapping.close()
        refusal(() => kernel.pin(mapping), 'DMA_CLOSED')
      }))

    it('says which switch keeps io_uring from the process', () =>
      withMapping(1, (mapping) => {
        const before = kernel.readText(ioUringSwitch).trim()
        kernel.writeText(ioUringSwitch, '2')
        try {
          refusal(() => kernel.pin(mapping), 'EPERM', /sudo sysctl kernel\.io_uring_disabled=0/)
          refusal(() => kernel.pin(mapping, 5, 0), 'DMA_INVALID_ARGUMENT')
          // Root may still have one.
          kernel.writeText(ioUringSwitch, '1')
          kernel.pin(mapping).close()
        } finally {
          kernel.writeText(ioUringSwitch, before)
        }
      }))

    it('pins huge pages, which count whole', () =>
      withoutLeaks(host, () =>
        withHugePages(host, 2, (hugePageSize) => {
          const fd = kernel.memfd('conformance-pin', { byteLength: 2 * hugePageSize, hugePageSize })
          using mapping = kernel.mmap(fd, { byteLength: 2 * hugePageSize })
          kernel.close(fd)
          const before = pinnedKilobytes()
          using whole = kernel.pin(mapping)
          assert.equal(pinnedKilobytes() - before, (2 * hugePageSize) / 1024)
          whole.close()
          using part = kernel.pin(mapping, hugePageSize - 1, 1)
          assert.equal(pinnedKilobytes() - before, hugePageSize / 1024)
          part.close()
          assert.equal(pinnedKilobytes(), before)
        }),
      ))

    it('pins and lets go a thousand times with nothing left', () =>
      withMapping(4, (mapping) => {
        const before = pinnedKilobytes()
        for (let i = 0; i < 1000; i++) kernel.pin(mapping, (i % 4) * page, page).close()
        assert.equal(pinnedKilobytes(), before)
      }))

    const compaction = 'keeps pages where they are while memory is compacted'
    if (!compacts(host)) return skip(compaction, `this kernel has no ${compactMemory}: it never moves a page`)
    it(compaction, () =>
      withMapping(4096, (mapping) => {
        // Beside memory that is given back, and before a lot of it: there is something to move and somewhere to move it to.
        // Of pages that are merely locked, this moves hundreds.
        const between = scratch(mapping.byteLength)
        const after = scratch(4 * mapping.byteLength)
        for (let at = 0; at < mapping.byteLength; at += page) between.bytes[at] = mapping.bytes[at] = 1
        for (let at = 0; at < after.byteLength; at += page) after.bytes[at] = 1
        between.close()
        after.close()
        using _pin = kernel.pin(mapping)
        const before = frames(mapping)
        for (let i = 0; i < 3; i++) kernel.writeText(compactMemory, '1')
        assert.deepEqual(frames(mapping), before)
      }),
    )
  })
}

/** Whether the machine moves pages when it is told to. */
function compacts({ kernel }: Host): boolean {
  try {
    return kernel.list('/proc/sys/vm').includes('compact_memory')
  } catch {
    return false
  }
}
