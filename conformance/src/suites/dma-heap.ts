import assert from 'node:assert/strict'
import { O_CLOEXEC, O_RDONLY, O_RDWR, O_WRONLY } from '@linux-dma/native'
import { allocateFromHeap, DmaBufBudget, listHeaps } from '@linux-dma/udmabuf'
import type { Host, Runner } from '../host'
import {
  DMA_HEAP_IOCTL_ALLOC,
  heapPath,
  isInherited,
  type RawAllocation,
  rawAllocate,
  rawSync,
  SYNC_END,
  SYNC_READ,
} from '../raw-dma-buf'
import { refusal, withoutLeaks } from '../with-device'
import { outcome } from '../with-uio'

const MiB = 0x10_0000

/** Buffers of the kernel's own memory: what the heaps give, and what they and the package refuse. */
export function dmaHeap({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const heap = 'system'
  const allocate = (size: number, options = {}) => allocateFromHeap(heap, size, { kernel, ...options })
  /** What DMA_HEAP_IOCTL_ALLOC answers; a buffer is closed at once. */
  const raw = (allocation: Omit<RawAllocation, 'heap'>) =>
    outcome(() => {
      kernel.close(rawAllocate(kernel, { heap, ...allocation }))
      return 'a buffer'
    })

  describe('dma-heap', () => {
    it('lists the heaps, the system’s among them', () => {
      const heaps = listHeaps({ kernel })
      assert.ok(heaps.includes(heap))
      assert.deepEqual(heaps, [...heaps].sort())
      assert.equal(host.modeOf(heapPath(heap)), 0o600)
    })

    it('allocates whole pages, zeroed, to read and write', () =>
      withoutLeaks(host, () => {
        for (const [asked, size] of [
          [1, page],
          [100, page],
          [page, page],
          [page + 1, 2 * page],
          [3 * MiB + 5, 3 * MiB + page],
        ] as const) {
          using buffer = allocate(asked)
          const { references, inode, ...info } = buffer.info()
          assert.ok(references >= 1 && inode > 0)
          assert.deepEqual(info, { size, exporter: 'system', name: undefined, access: 'read-write' })
          assert.deepEqual([buffer.size, buffer.memory], [size, undefined])
          buffer.cpuAccess('read-write', (bytes) => {
            assert.equal(bytes.length, size)
            assert.ok(bytes.every((byte) => byte === 0))
            bytes.fill(0xff)
          })
          using again = buffer.map({ offset: size - page })
          assert.ok(again.bytes.every((byte) => byte === 0xff))
        }
      }))

    it('gives what it is asked for besides: a name, a budget, close-on-exec', () =>
      withoutLeaks(host, () => {
        const budget = new DmaBufBudget(2 * page)
        using buffer = allocate(100, { name: 'plane 0', budget })
        assert.deepEqual([buffer.name, budget.used, isInherited(kernel, buffer.fd)], ['plane 0', page, false])
        refusal(() => allocate(page + 1, { budget }), 'DMA_BUDGET', /close/)
        refusal(() => allocate(1, { name: 'x'.repeat(32), budget }), 'DMA_INVALID_ARGUMENT', /31 bytes/)
        refusal(() => allocateFromHeap('none', 1, { budget, kernel }), 'ENOENT')
        assert.equal(budget.used, page)
        buffer.close()
        assert.equal(budget.used, 0)
      }))

    it('does not mind an end of an access that did not begin', () =>
      withoutLeaks(host, () => {
        using buffer = allocate(page)
        buffer.endCpuAccess('write')
        buffer.beginCpuAccess('read')
        buffer.endCpuAccess('read')
        buffer.endCpuAccess('read')
      }))

    it('refuses what is no size, no name, no option', () =>
      withoutLeaks(host, () => {
        for (const size of [
          0,
          -1,
          0.5,
          Number.NaN,
          Number.POSITIVE_INFINITY,
          2 ** 53,
          '4096',
          4096n,
          undefined,
        ] as never[]) {
          refusal(() => allocate(size), 'DMA_INVALID_ARGUMENT')
        }
        for (const name of ['', '.', '..', '../null', 'a/b', 'a\0b', 7, undefined, null] as never[]) {
          refusal(() => allocateFromHeap(name, page, { kernel }), 'DMA_INVALID_ARGUMENT', /listHeaps/)
        }
        const missing = refusal(
          () => allocateFromHeap('linux,none', page, { kernel }),
          'ENOENT',
          /there are: .*system/,
        )
        assert.match(missing.message, /no heap 'linux,none'/)
        refusal(() => allocate(page, { access: 'write' }), 'DMA_INVALID_ARGUMENT', /'read' or 'read-write'/)
        refusal(() => allocate(page, { budget: {} }), 'DMA_INVALID_ARGUMENT', /new DmaBufBudget/)
        refusal(() => allocate(page, { acess: 'read' }), 'DMA_INVALID_ARGUMENT')
      }))

    it('errnos: sizes', () =>
      withoutLeaks(host, () => {
        assert.equal(raw({ size: 0 }), 'EINVAL')
        const buffer = rawAllocate(kernel, { heap, size: 100 })
        kernel.mmap(buffer, { byteLength: page }).close()
        assert.equal(
          outcome(() => kernel.mmap(buffer, { byteLength: 2 * page })),
          'EINVAL',
        )
        kernel.close(buffer)
      }))

    it('errnos: flags of the descriptor, flags of the heap, a descriptor that is there already', () =>
      withoutLeaks(host, () => {
        for (const flags of [O_RDONLY, O_WRONLY, O_RDWR, 3, O_RDWR | O_CLOEXEC]) {
          assert.equal(raw({ size: page, flags }), 'a buffer', `flags ${flags}`)
        }
        for (const flags of [0o4000, 0o100, O_RDWR | 0o2000, ~(O_RDWR | O_CLOEXEC)]) {
          assert.equal(raw({ size: page, flags }), 'EINVAL', `flags ${flags}`)
        }
        for (const heapFlags of [1, 0x11_1111]) assert.equal(raw({ size: page, heapFlags }), 'EINVAL')
        for (const fd of [1, 0xffff_ffff]) assert.equal(raw({ size: page, fd }), 'EINVAL')
        const inherited = rawAllocate(kernel, { heap, size: page, flags: O_RDWR })
        assert.equal(isInherited(kernel, inherited), true)
        kernel.close(inherited)
      }))

    it('errnos: another number of the request is EINVAL, and not ENOTTY', () =>
      withoutLeaks(host, () => {
        assert.equal(raw({ size: page, request: 0xc018_4801 }), 'EINVAL')
        const node = kernel.open(heapPath(heap), O_RDONLY)
        assert.equal(
          outcome(() => kernel.ioctl(node, DMA_HEAP_IOCTL_ALLOC, 0)),
          'EFAULT',
        )
        kernel.close(node)
      }))

    it('errnos: an end of an access before any start is none', () =>
      withoutLeaks(host, () => {
        const buffer = rawAllocate(kernel, { heap, size: page })
        assert.equal(rawSync(kernel, buffer, SYNC_READ | SYNC_END), 0)
        assert.equal(
          outcome(() => kernel.read(buffer, new Uint8Array(8))),
          'EINVAL',
        )
        kernel.close(buffer)
      }))
  })
}
