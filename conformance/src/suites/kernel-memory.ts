import assert from 'node:assert/strict'
import { F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE } from '@linux-dma/native'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'

/** memfds, seals and mappings. */
export function kernelMemory({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize

  describe('kernel memory', () => {
    it('maps a memfd twice onto the same bytes', () =>
      withoutLeaks(host, () => {
        const fd = kernel.memfd('conformance', { byteLength: 2 * page })
        using first = kernel.mmap(fd, { byteLength: 2 * page })
        using second = kernel.mmap(fd, { byteLength: page, position: page })
        assert.ok(first.bytes.every((byte) => byte === 0))
        first.bytes[page + 5] = 42
        assert.equal(second.bytes[5], 42)
        const read = new Uint8Array(3)
        assert.equal(kernel.read(fd, read, page + 4), 3)
        assert.deepEqual([...read], [0, 42, 0])
        assert.equal(kernel.write(fd, new Uint8Array([7]), 9), 1)
        assert.equal(first.bytes[9], 7)
        assert.equal(first.address % page, 0)
        assert.notEqual(first.address, second.address)
        kernel.close(fd)
        assert.equal(first.bytes[9], 7, 'a mapping outlives its descriptor')
      }))

    it('gives zeros to a late read, and shows a late write to late reads alone', () =>
      withoutLeaks(host, () => {
        const fd = kernel.memfd('conformance', { byteLength: page })
        const mapping = kernel.mmap(fd, { byteLength: page })
        const { bytes } = mapping
        bytes.fill(0xaa)
        mapping.close()
        mapping.close()
        assert.equal(mapping.closed, true)
        assert.equal(bytes[0], 0)
        bytes[0] = 1
        assert.equal(bytes[0], 1)
        refusal(() => mapping.bytes, 'DMA_CLOSED')
        const read = new Uint8Array(1)
        kernel.read(fd, read, 0)
        assert.equal(read[0], 0xaa, 'the file keeps its bytes')
        kernel.close(fd)
      }))

    it('detaches the buffer where that is asked for', () =>
      withoutLeaks(host, () => {
        const fd = kernel.memfd('conformance', { byteLength: page })
        const mapping = kernel.mmap(fd, { byteLength: page })
        const { bytes } = mapping
        mapping.close({ detach: true })
        assert.equal(bytes.byteLength, 0)
        kernel.close(fd)
      }))

    it('seals what it makes against shrinking, and keeps the rules of seals', () =>
      withoutLeaks(host, () => {
        const fd = kernel.memfd('conformance', { byteLength: page })
        assert.equal(kernel.getSeals(fd), F_SEAL_SHRINK)
        using mapping = kernel.mmap(fd, { byteLength: page })
        refusal(() => kernel.addSeals(fd, F_SEAL_WRITE), 'EBUSY')
        mapping.close()
        kernel.addSeals(fd, F_SEAL_GROW | F_SEAL_SEAL)
        assert.equal(kernel.getSeals(fd), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
        refusal(() => kernel.addSeals(fd, F_SEAL_WRITE), 'EPERM')
        kernel.close(fd)
        const eventfd = kernel.eventfd()
        refusal(() => kernel.getSeals(eventfd), 'EINVAL')
        kernel.close(eventfd)
      }))

    it('refuses senseless lengths, positions and options', () =>
      withoutLeaks(host, () => {
        const fd = kernel.memfd('conformance', { byteLength: page })
        for (const byteLength of [0, -1, 0.5, Number.NaN, 2 ** 53, '1' as never]) {
          refusal(() => kernel.mmap(fd, { byteLength }), 'DMA_INVALID_ARGUMENT')
          refusal(() => kernel.memfd('x', { byteLength }), 'DMA_INVALID_ARGUMENT')
        }
        for (const position of [-page, 1, page + 1, 0.5, Number.NaN]) {
          refusal(() => kernel.mmap(fd, { byteLength: page, position }), 'DMA_INVALID_ARGUMENT')
        }
        refusal(() => kernel.mmap(fd, { byteLength: page, acess: 'read' } as never), 'DMA_INVALID_ARGUMENT')
        refusal(() => kernel.mmap(fd, { byteLength: page, access: 'write' as never }), 'DMA_INVALID_ARGUMENT')
        kernel.close(fd)
      }))

    it('reads page frames for many pages at once', () =>
      withoutLeaks(host, () => {
        const fd = kernel.memfd('conformance', { byteLength: 8 * page })
        using mapping = kernel.mmap(fd, { byteLength: 8 * page })
        mapping.bytes.fill(1)
        const entries = new BigUint64Array(8)
        assert.equal(kernel.readPagemap(mapping.address, entries), 8)
        for (const entry of entries) assert.equal((entry >> 63n) & 1n, 1n, 'present')
        const frames = new Set([...entries].map((entry) => entry & ((1n << 55n) - 1n)))
        assert.equal(frames.size, 8)
        kernel.close(fd)
      }))

    it('locks and unlocks pages', () =>
      withoutLeaks(host, () => {
        const fd = kernel.memfd('conformance', { byteLength: 4 * page })
        using mapping = kernel.mmap(fd, { byteLength: 4 * page })
        const locked = () => Number(/^VmLck:\s+(\d+) kB/m.exec(kernel.readText('/proc/self/status'))?.[1])
        const before = locked()
        kernel.mlock(mapping)
        assert.equal(locked() - before, (4 * page) / 1024)
        kernel.munlock(mapping, page, page)
        assert.equal(locked() - before, (3 * page) / 1024)
        mapping.close()
        assert.equal(locked(), before)
        refusal(() => kernel.mlock(mapping), 'DMA_CLOSED')
        kernel.close(fd)
      }))

    it('creates and closes ten thousand times with nothing left', () =>
      withoutLeaks(host, () => {
        for (let i = 0; i < 10_000; i++) {
          const fd = kernel.memfd('conformance', { byteLength: page })
          kernel.mmap(fd, { byteLength: page }).close()
          kernel.close(fd)
        }
      }))
  })
}
