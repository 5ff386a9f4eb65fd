import assert from 'node:assert/strict'
import { allocateDmaMemory, DmaError } from '@linux-dma/core'
import { F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_WRITE, O_RDONLY } from '@linux-dma/native'
import { createUdmabuf, openUdmabuf } from '@linux-dma/udmabuf'
import { alteredKernel } from '../altered-kernel'
import type { Host, Runner } from '../host'
import { rawCreate, withLimit } from '../raw-dma-buf'
import { udmabufRefusals } from '../udmabuf-refusals'
import { refusal } from '../with-device'
import { outcome } from '../with-uio'

const MiB = 0x10_0000
const HUGE = 2 * MiB

/** How much a udmabuf may be, and of what files: seals, pieces, bytes, huge pages. */
export function udmabufLimits({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const { create, make, assertRefused, withMemfd } = udmabufRefusals(host)

  describe('udmabuf limits', () => {
    it('seals: any but those against writing', () =>
      withMemfd(page, (fd) => {
        const item = { fd, size: page }
        kernel.addSeals(fd, F_SEAL_GROW)
        assert.equal(create(item), 'a buffer')
        kernel.addSeals(fd, F_SEAL_FUTURE_WRITE)
        const sealed = {
          errno: 'EINVAL',
          code: 'DMA_SEALED',
          message: /sealed against writing/,
          hint: /duplicate/,
        }
        assertRefused({ item, ...sealed })
        const other = kernel.memfd('other', { byteLength: page })
        kernel.addSeals(other, F_SEAL_WRITE)
        assertRefused({ item: { fd: other, size: page }, ...sealed })
        kernel.close(other)
        const final = kernel.memfd('final', { byteLength: page })
        kernel.addSeals(final, F_SEAL_GROW | F_SEAL_SEAL)
        assert.equal(create({ fd: final, size: page }), 'a buffer')
        make({ fd: final, size: page }).close()
        kernel.close(final)
      }))

    it('seal against writing: not while a buffer has the pages', () =>
      withMemfd(page, (fd) => {
        const buffer = rawCreate(kernel, { fd, size: page })
        const mapping = kernel.mmap(buffer, { byteLength: page })
        const seal = () => outcome(() => kernel.addSeals(fd, F_SEAL_WRITE))
        assert.equal(seal(), 'EBUSY')
        mapping.close()
        assert.equal(seal(), 'EBUSY')
        kernel.addSeals(fd, F_SEAL_FUTURE_WRITE)
        kernel.close(buffer)
      }))

    it('a memfd that is open for reading: the kernel makes a buffer to write, the package does not', () =>
      withMemfd(page, (fd) => {
        const reading = kernel.open(`/proc/self/fd/${fd}`, O_RDONLY)
        const buffer = rawCreate(kernel, { fd: reading, size: page })
        using mapping = kernel.mmap(buffer, { byteLength: page })
        mapping.bytes[0] = 66
        const byte = new Uint8Array(1)
        kernel.read(fd, byte, 0)
        assert.equal(byte[0], 66)
        refusal(() => make({ fd: reading, size: page }), 'DMA_READ_ONLY', /for reading and writing/)
        for (const open of [buffer, reading]) kernel.close(open)
      }))

    it('list: one item at least, 1,024 at most', () =>
      withMemfd(page, (fd) => {
        const items = (count: number) => Array.from({ length: count }, () => ({ fd, size: page }))
        assertRefused({ item: items(0), errno: 'EINVAL', code: 'DMA_INVALID_ARGUMENT', hint: /list: \[/ })
        assert.equal(create(items(1024)), 'a buffer')
        assertRefused({
          item: items(1025),
          errno: 'EINVAL',
          code: 'DMA_TOO_MANY',
          message: /1024 pieces, not 1025/,
          hint: /echo 1025 > \/sys\/module\/udmabuf\/parameters\/list_limit/,
        })
      }))

    it('size: 64 MiB at most, in one piece or in many', () =>
      withMemfd(64 * MiB + page, (fd) => {
        assert.equal(create({ fd, size: 64 * MiB }), 'a buffer')
        const tooLarge = {
          errno: 'EINVAL',
          code: 'DMA_TOO_LARGE',
          message: new RegExp(`${64 * MiB} bytes, not ${64 * MiB + page}`),
          hint: /echo 65 > \/sys\/module\/udmabuf\/parameters\/size_limit_mb/,
        }
        assertRefused({ item: { fd, size: 64 * MiB + page }, ...tooLarge })
        assertRefused({
          item: [
            { fd, size: 64 * MiB },
            { fd, size: page },
          ],
          ...tooLarge,
        })
        refusal(() => createUdmabuf({ size: 64 * MiB + 1, kernel }), 'DMA_TOO_LARGE', /make several/)
        using memory = allocateDmaMemory({ byteLength: 65 * MiB, kernel })
        refusal(() => createUdmabuf({ memory }), 'DMA_TOO_LARGE')
        createUdmabuf({ memory, offset: MiB }).close()
      }))

    it('limits: what root writes there holds at once', () =>
      withMemfd(4 * MiB, async (fd) => {
        const limits = () => {
          using device = openUdmabuf({ kernel })
          return device.limits
        }
        await withLimit(kernel, 'size_limit_mb', 1, () => {
          assert.deepEqual(limits(), { size: MiB, pieces: 1024 })
          assert.equal(create({ fd, size: MiB }), 'a buffer')
          const item = { fd, size: MiB + page }
          assertRefused({ item, errno: 'EINVAL', code: 'DMA_TOO_LARGE', hint: /echo 2 > / })
        })
        await withLimit(kernel, 'size_limit_mb', 65, () => {
          const items = Array.from({ length: 65 }, () => ({ fd, size: MiB }))
          assert.equal(create(items), 'a buffer')
        })
        await withLimit(kernel, 'list_limit', 2, () => {
          assert.deepEqual(limits(), { size: 64 * MiB, pieces: 2 })
          const items = (count: number) => Array.from({ length: count }, () => ({ fd, size: page }))
          assert.equal(create(items(2)), 'a buffer')
          assertRefused({ item: items(3), errno: 'EINVAL', code: 'DMA_TOO_MANY', hint: /echo 3 > / })
        })
        await withLimit(kernel, 'list_limit', 2000, () => {
          const items = Array.from({ length: 2000 }, () => ({ fd, size: page }))
          assert.equal(create(items), 'a buffer')
        })
        assert.deepEqual(limits(), { size: 64 * MiB, pieces: 1024 })
      }))

    it('limits that cannot be read: the kernel’s answer stays what it is', () =>
      withMemfd(page, (fd) => {
        const blind = alteredKernel(kernel, {
          readText(path) {
            if (path.startsWith('/sys/module/')) throw new DmaError('ENOENT', 'no parameters', { path })
            return kernel.readText(path)
          },
        })
        const list = Array.from({ length: 1025 }, () => ({ fd, size: page }))
        const error = refusal(() => createUdmabuf({ list, kernel: blind }), 'EINVAL')
        assert.equal((error as { syscall?: string }).syscall, 'ioctl(UDMABUF_CREATE_LIST)')
        refusal(() => createUdmabuf({ size: 64 * MiB + 1, kernel: blind }), 'EINVAL')
        createUdmabuf({ list: list.slice(0, 2), kernel: blind }).close()
      }))

    it('huge pages: also parts of them', () =>
      withMemfd(
        2 * HUGE,
        (fd) => {
          assert.equal(create({ fd, size: 2 * HUGE }), 'a buffer')
          assert.equal(create({ fd, offset: page, size: 2 * page }), 'a buffer')
          assert.equal(create({ fd, offset: HUGE - page, size: 2 * page }), 'a buffer')
          const beyond = { fd, offset: 2 * HUGE - page, size: 2 * page }
          assertRefused({ item: beyond, errno: 'EINVAL', code: 'DMA_RANGE' })
        },
        true,
      ))
  })
}
