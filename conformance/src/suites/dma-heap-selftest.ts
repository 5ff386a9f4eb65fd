import assert from 'node:assert/strict'
import { O_CLOEXEC, O_RDWR } from '@linux-dma/native'
import { allocateFromHeap, type DmaBuf, listHeaps } from '@linux-dma/udmabuf'
import type { Host, Runner } from '../host'
import { DMA_HEAP_IOCTL_ALLOC, rawAllocate } from '../raw-dma-buf'
import { refusal, withoutLeaks } from '../with-device'
import { outcome } from '../with-uio'

const MiB = 0x10_0000

/**
 * What the kernel's own test of the heaps asserts, of each heap that there is. It imports buffers into vgem, a graphics driver
 * that few kernels have: here the importer is the host's.
 */
export function dmaHeapSelftest({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const heaps = listHeaps({ kernel })

  describe('dma-heap selftest', () => {
    it('finds a heap', () => {
      assert.ok(heaps.length > 0)
    })

    for (const heap of heaps) {
      const allocate = (size: number) => allocateFromHeap(heap, size, { kernel })

      it(`${heap}: allocates a buffer that is written, imported and accessed`, () =>
        withoutLeaks(host, () => {
          using buffer = allocate(MiB)
          assert.equal(buffer.size, MiB)
          buffer.cpuAccess('write', (bytes) => bytes.fill(0xff))
          const importer = host.importDmaBuf(buffer.fd)
          buffer.beginCpuAccess('read-write')
          using mapping = buffer.map()
          mapping.bytes.fill(0x55)
          buffer.endCpuAccess('read-write')
          assert.deepEqual(importer.read(MiB - 4, 4), Uint8Array.of(0x55, 0x55, 0x55, 0x55))
          importer.detach()
          buffer.cpuAccess('read', (bytes) => assert.equal(bytes[0], 0x55))
        }))

      for (const size of [kernel.pageSize, MiB]) {
        it(`${heap}: zeroes what it gives again, in buffers of ${size}`, () =>
          withoutLeaks(host, () => {
            fill(allocate, size, (bytes) => bytes.fill(0xff))
            fill(allocate, size, (bytes) => {
              assert.ok(
                new BigUint64Array(bytes.buffer, bytes.byteOffset, size / 8).every((word) => word === 0n),
              )
            })
          }))
      }

      it(`${heap}: takes a shorter structure of a program that is older, and a longer one of a program that is newer`, () =>
        withoutLeaks(host, () => {
          for (const byteLength of [16, 24, 48]) {
            const fd = rawAllocate(kernel, {
              heap,
              size: kernel.pageSize,
              flags: O_RDWR | O_CLOEXEC,
              byteLength,
            })
            assert.ok(fd > 0)
            kernel.close(fd)
          }
        }))

      it(`${heap}: refuses what makes no sense`, () =>
        withoutLeaks(host, () => {
          const eventfd = kernel.eventfd()
          assert.equal(
            outcome(() => kernel.ioctl(eventfd, DMA_HEAP_IOCTL_ALLOC, new Uint8Array(24))),
            'ENOTTY',
            'a descriptor of something else',
          )
          kernel.close(eventfd)
          const raw = (rest: object) =>
            outcome(() => rawAllocate(kernel, { heap, size: kernel.pageSize, ...rest }))
          assert.equal(raw({ heapFlags: 0x11_1111 }), 'EINVAL')
          assert.equal(raw({ flags: ~(O_RDWR | O_CLOEXEC) }), 'EINVAL')
          refusal(() => allocate(0), 'DMA_INVALID_ARGUMENT')
        }))
    }
  })
}

/** Allocates 32 buffers, has `use` see all of each, and closes them. */
function fill(allocate: (size: number) => DmaBuf, size: number, use: (bytes: Uint8Array) => unknown): void {
  const buffers = Array.from({ length: 32 }, () => allocate(size))
  for (const buffer of buffers) buffer.cpuAccess('read-write', (bytes) => void use(bytes))
  for (const buffer of buffers) buffer.close()
}
