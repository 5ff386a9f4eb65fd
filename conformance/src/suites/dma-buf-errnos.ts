import assert from 'node:assert/strict'
import { O_NONBLOCK, O_RDWR, POLLIN, POLLOUT } from '@linux-dma/native'
import type { Host, Runner } from '../host'
import {
  cString,
  DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
  DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
  DMA_BUF_IOCTL_SYNC,
  DMA_BUF_SET_NAME_A,
  DMA_BUF_SET_NAME_B,
  fdinfo,
  hasSyncFiles,
  rawCreate,
  rawSync,
  SYNC_END,
  SYNC_READ,
  SYNC_WRITE,
} from '../raw-dma-buf'
import { withoutLeaks } from '../with-device'
import { outcome } from '../with-uio'

const SYNC_RW = SYNC_READ | SYNC_WRITE

/** What the file of a dma-buf answers, to the errno, with no package between. */
export function dmaBufErrnos({ describe, it, skip }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize

  /** Runs a test with a udmabuf of four pages, and its memfd. */
  const withBuffer = (test: (fd: number, memfd: number) => void | Promise<void>) =>
    withoutLeaks(host, async () => {
      const memfd = kernel.memfd('errnos', { byteLength: 4 * page })
      const fd = rawCreate(kernel, { fd: memfd, size: 4 * page })
      try {
        await test(fd, memfd)
      } finally {
        kernel.close(fd)
        kernel.close(memfd)
      }
    })
  const syncFile = (fd: number, request: number, flags: number, other: number) => {
    const argument = Uint32Array.of(flags, other)
    return outcome(() => {
      kernel.ioctl(fd, request, new Uint8Array(argument.buffer))
      return argument[1]!
    })
  }

  describe('dma-buf errnos', () => {
    it('read and write: EINVAL, and ESPIPE at a position', () =>
      withBuffer((fd) => {
        const bytes = new Uint8Array(8)
        assert.equal(
          outcome(() => kernel.read(fd, bytes)),
          'EINVAL',
        )
        assert.equal(
          outcome(() => kernel.write(fd, bytes)),
          'EINVAL',
        )
        assert.equal(
          outcome(() => kernel.read(fd, bytes, 0)),
          'ESPIPE',
        )
        assert.equal(
          outcome(() => kernel.write(fd, bytes, 0)),
          'ESPIPE',
        )
      }))

    it('open: not by its number in /proc', () =>
      withBuffer((fd) => {
        assert.equal(
          outcome(() => kernel.open(`/proc/self/fd/${fd}`, O_RDWR)),
          'ENXIO',
        )
        assert.equal(
          outcome(() => kernel.getSeals(fd)),
          'EINVAL',
        )
      }))

    it('mmap: shared, within the buffer', () =>
      withBuffer((fd) => {
        const map = (byteLength: number, position: number, access?: 'read') =>
          outcome(() => kernel.mmap(fd, { byteLength, position, ...(access ? { access } : {}) }).close())
        assert.equal(map(4 * page, 0), undefined)
        assert.equal(map(page, 3 * page, 'read'), undefined)
        assert.equal(map(100, 0), undefined)
        assert.equal(map(5 * page, 0), 'EINVAL')
        assert.equal(map(4 * page, page), 'EINVAL')
        assert.equal(map(page, 4 * page), 'EINVAL')
        assert.equal(map(page, 2 ** 40), 'EINVAL')
      }))

    it('mapping: can be locked, which pins nothing, and cannot be pinned', () =>
      withBuffer((fd) => {
        using mapping = kernel.mmap(fd, { byteLength: 4 * page })
        kernel.mlock(mapping)
        kernel.munlock(mapping)
        assert.equal(
          outcome(() => kernel.pin(mapping)),
          'EFAULT',
        )
        const entries = new BigUint64Array(4)
        mapping.bytes.fill(1)
        assert.equal(kernel.readPagemap(mapping.address, entries), 4)
        // Bit 55 is of the mapping and no page’s.
        const pages = [...entries].map((entry) => entry & ~(1n << 55n))
        assert.deepEqual(pages, [0n, 0n, 0n, 0n], 'its pages are nobody’s to look at')
      }))

    it('sync: no end before the first start, which is a udmabuf’s own rule', () =>
      withBuffer((fd) => {
        const sync = (flags: number) => outcome(() => rawSync(kernel, fd, flags))
        assert.equal(sync(SYNC_RW | SYNC_END), 'EINVAL')
        assert.equal(sync(SYNC_READ | SYNC_END), 'EINVAL')
        assert.equal(sync(SYNC_READ), 0)
        assert.equal(sync(SYNC_WRITE | SYNC_END), 0, 'of another direction')
        assert.equal(sync(SYNC_RW), 0)
        assert.equal(sync(SYNC_RW), 0, 'nested')
        assert.equal(sync(SYNC_RW | SYNC_END), 0)
        assert.equal(sync(SYNC_RW | SYNC_END), 0)
        assert.equal(sync(SYNC_RW | SYNC_END), 0, 'more ends than starts')
      }))

    it('sync: a direction, and no other bit', () =>
      withBuffer((fd, memfd) => {
        const sync = (flags: number) => outcome(() => rawSync(kernel, fd, flags))
        for (const flags of [0, SYNC_END, 8, SYNC_RW | 8, 0x8000_0000]) assert.equal(sync(flags), 'EINVAL')
        const high = Uint8Array.of(SYNC_RW, 0, 0, 0, 1, 0, 0, 0)
        assert.equal(
          outcome(() => kernel.ioctl(fd, DMA_BUF_IOCTL_SYNC, high)),
          'EINVAL',
          'all 64 bits are looked at',
        )
        assert.equal(
          outcome(() => kernel.ioctl(fd, DMA_BUF_IOCTL_SYNC, 0)),
          'EFAULT',
        )
        assert.equal(
          outcome(() => rawSync(kernel, memfd, SYNC_RW)),
          'ENOTTY',
        )
      }))

    it('name: 31 bytes, by either number, shown in /proc', () =>
      withBuffer((fd) => {
        // As long as the request's number says, at least: what is behind the zero means nothing.
        const name = (text: string, request = DMA_BUF_SET_NAME_B) => {
          const argument = new Uint8Array(64)
          argument.set(cString(text))
          return outcome(() => kernel.ioctl(fd, request, argument))
        }
        assert.equal(fdinfo(kernel, fd, 'name'), undefined)
        assert.equal(kernel.readLink(`/proc/self/fd/${fd}`), '/dmabuf:')
        assert.equal(name('a'.repeat(31)), 0)
        assert.equal(fdinfo(kernel, fd, 'name'), 'a'.repeat(31))
        assert.equal(name('b'.repeat(32)), 'EINVAL')
        assert.equal(name('cap0', DMA_BUF_SET_NAME_A), 0)
        assert.equal(kernel.readLink(`/proc/self/fd/${fd}`), '/dmabuf:cap0')
        assert.equal(
          outcome(() => kernel.ioctl(fd, DMA_BUF_SET_NAME_B, 0)),
          'EFAULT',
        )
        assert.deepEqual(
          ['size', 'exp_name', 'name'].map((field) => fdinfo(kernel, fd, field)),
          [String(4 * page), 'udmabuf', 'cap0'],
        )
        assert.equal(name(''), 0)
        assert.equal(fdinfo(kernel, fd, 'name'), '')
      }))

    const syncFileTitle = 'sync file: a snapshot of the fences, signalled where there are none'
    const withSyncFiles = (test: () => Promise<void>) =>
      hasSyncFiles(kernel)
        ? it(syncFileTitle, test)
        : skip(syncFileTitle, 'this kernel has no CONFIG_SYNC_FILE')

    withSyncFiles(() =>
      withBuffer(async (fd, memfd) => {
        const exported = (flags: number) => syncFile(fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, flags, 0)
        const imported = (flags: number, other: number) =>
          syncFile(fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, flags, other)
        for (const flags of [0, 4, SYNC_RW | 8]) assert.equal(exported(flags), 'EINVAL')
        for (const flags of [SYNC_READ, SYNC_WRITE, SYNC_RW]) {
          const file = exported(flags) as number
          assert.equal(await kernel.poll(file, POLLIN), POLLIN)
          assert.equal(imported(SYNC_WRITE, file), file)
          assert.equal(imported(SYNC_READ, file), file)
          assert.equal(imported(0, file), 'EINVAL')
          kernel.close(file)
        }
        for (const other of [memfd, fd, -1]) assert.equal(imported(SYNC_WRITE, other), 'EINVAL')
        assert.equal(
          outcome(() => kernel.ioctl(fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, 0)),
          'EFAULT',
        )
      }),
    )

    it('poll: ready for both where no device works on it', () =>
      withBuffer(async (fd) => {
        assert.equal(await kernel.poll(fd, POLLIN | POLLOUT), POLLIN | POLLOUT)
        assert.equal(await kernel.poll(fd, POLLIN), POLLIN)
      }))

    it('ioctl: no others', () =>
      withBuffer((fd) => {
        for (const request of [0x4008_6204, 0x5401, 0x4018_7542]) {
          assert.equal(
            outcome(() => kernel.ioctl(fd, request, new Uint8Array(64))),
            'ENOTTY',
          )
        }
      }))

    it('fdinfo: what the kernel has of it', () =>
      withBuffer((fd) => {
        assert.equal(Number.parseInt(fdinfo(kernel, fd, 'flags')!, 8) & 0o3, O_RDWR)
        assert.equal(Number.parseInt(fdinfo(kernel, fd, 'flags')!, 8) & O_NONBLOCK, 0)
        assert.ok(Number(fdinfo(kernel, fd, 'count')) >= 1)
        const other = kernel.memfd('other', { byteLength: page })
        const second = rawCreate(kernel, { fd: other, size: page })
        assert.notEqual(fdinfo(kernel, second, 'ino'), fdinfo(kernel, fd, 'ino'))
        for (const open of [second, other]) kernel.close(open)
      }))
  })
}
