import assert from 'node:assert/strict'
import { O_RDONLY, O_RDWR, O_WRONLY, POLLIN, POLLOUT } from '@linux-dma/native'
import type { Host, Runner } from '../host'
import { outcome } from '../with-uio'
import {
  DMA_BUF_IOCTL_SYNC,
  EXPORT,
  FOLDER,
  GET_DEV_INFO,
  GET_DMA_ADDR,
  GET_DRV_INFO,
  GET_SIZE,
  MiB,
  NODE,
  O_CLOEXEC,
  O_SYNC,
  REQUESTS,
  rawUDmaBuf,
  SET_SYNC,
  words,
} from './u-dma-buf-raw'
import { uDmaBufSyncErrnos } from './u-dma-buf-sync-errnos'

/** What u-dma-buf answers, to the errno, with no package between: as version 5.5.0 of the driver does. */
export function uDmaBufErrnos({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const { open, text, map, ask, tell, exportFrom } = rawUDmaBuf(host)

  describe('u-dma-buf errnos', () => {
    it('sysfs: attributes and who may write them', () => {
      const expected: Record<string, [mode: number, value?: string]> = {
        driver_version: [0o444, '5.5.0'],
        size: [0o444, `${MiB}`],
        phys_addr: [0o444],
        sync_mode: [0o664, '1'],
        sync_offset: [0o664, '0x0'],
        sync_size: [0o664, `${MiB}`],
        sync_direction: [0o664, '0'],
        sync_owner: [0o444, '0'],
        sync_for_cpu: [0o664, '0'],
        sync_for_device: [0o664, '0'],
        quirk_mmap_mode: [0o444, '3'],
        dma_coherent: [0o444, '1'],
        debug_vma: [0o664, '0'],
        debug_export: [0o664, '0'],
        ioctl_version: [0o444, '2'],
      }
      for (const [name, [mode, value]] of Object.entries(expected)) {
        assert.equal(host.modeOf(`${FOLDER}/${name}`), mode, name)
        if (value !== undefined) assert.equal(text(name), value, name)
      }
      assert.match(text('phys_addr'), /^0x[0-9a-f]{16}$/)
      assert.equal(kernel.readLink(`${FOLDER}/device`), '../../../u-dma-buf.0')
      assert.equal(host.modeOf(NODE), 0o600)
    })

    it(
      'mmap',
      open(O_RDWR, (fd) => {
        const answers = [
          map(fd, MiB),
          map(fd, MiB + page),
          map(fd, page, MiB - page),
          map(fd, page, MiB),
          map(fd, 1),
          map(fd, page, 2 ** 40),
        ]
        assert.deepEqual(answers, [0, 'EINVAL', 0, 'EINVAL', 0, 'EINVAL'])
      }),
    )

    it(
      'mmap of a descriptor for reading',
      open(O_RDONLY, (fd) => {
        assert.deepEqual([map(fd, page), map(fd, page, 0, 'read')], ['EACCES', 0])
        assert.equal(tell(fd, SET_SYNC, 3, 4096, 0), 0)
        assert.equal(exportFrom(fd, O_RDWR, page, page), page)
      }),
    )

    it(
      'mmap of a descriptor for writing, and past the caches',
      open(O_WRONLY, (fd) => {
        assert.equal(map(fd, page), 'EACCES')
        const past = kernel.open(NODE, O_RDWR | O_SYNC)
        assert.equal(map(past, MiB), 0)
        kernel.close(past)
      }),
    )

    it(
      'has no pages to pin, and no frames to show',
      open(O_RDWR, (fd) => {
        const mapping = kernel.mmap(fd, { byteLength: page })
        mapping.bytes[0] = 1
        assert.equal(
          outcome(() => kernel.pin(mapping).close()),
          'EFAULT',
        )
        const entry = new BigUint64Array(1)
        kernel.readPagemap(mapping.address, entry)
        assert.equal(entry[0]! & ((1n << 55n) - 1n), 0n)
        mapping.close()
      }),
    )

    it(
      'read, write and poll',
      open(O_RDWR, async (fd) => {
        const bytes = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8])
        const at = (position: number) => [kernel.write(fd, bytes, position), kernel.read(fd, bytes, position)]
        assert.deepEqual(
          [at(0), at(MiB - 4), at(MiB), at(MiB + 5)],
          [
            [8, 8],
            [4, 4],
            [0, 0],
            [0, 0],
          ],
        )
        assert.equal(await kernel.poll(fd, POLLIN | POLLOUT), POLLIN | POLLOUT)
      }),
    )

    it(
      'requests that ask',
      open(O_RDWR, (fd) => {
        const address = BigInt(text('phys_addr'))
        const [flags, version] = ask(fd, GET_DRV_INFO, 24)
        assert.equal(flags! & 0xffn, 2n)
        assert.equal(new TextDecoder().decode(words(version!)).replaceAll('\0', ''), '5.5.0')
        assert.deepEqual(ask(fd, GET_SIZE, 8), [BigInt(MiB)])
        assert.deepEqual(ask(fd, GET_DMA_ADDR, 8), [address])
        assert.deepEqual(ask(fd, GET_DEV_INFO, 24), [0xe1cn, BigInt(MiB), address])
      }),
    )

    it(
      'requests without an argument, and unknown ones',
      open(O_RDWR, (fd) => {
        for (const request of REQUESTS) {
          assert.equal(
            outcome(() => kernel.ioctl(fd, request, 0)),
            'EFAULT',
            request.toString(16),
          )
        }
        for (const request of [
          0x8008_550b,
          0x8010_5501,
          0x4008_5502,
          0x8008_5602,
          0x5500,
          DMA_BUF_IOCTL_SYNC,
        ]) {
          assert.equal(tell(fd, request, 0, 0, 0), 'ENOTTY', request.toString(16))
        }
      }),
    )

    it(
      'EXPORT',
      open(O_RDWR, (fd) => {
        const answers = [
          exportFrom(fd, 0, page, 0),
          exportFrom(fd, O_RDWR | O_CLOEXEC, page, page),
          exportFrom(fd, O_RDWR, page, 1),
          exportFrom(fd, O_RDWR, 100, 0),
          exportFrom(fd, O_RDWR, 0, MiB),
          exportFrom(fd, O_RDWR, 2 * page, MiB - page),
          exportFrom(fd, O_RDWR, page, MiB),
          exportFrom(fd, O_RDWR | 0o4000, page, 0),
          exportFrom(fd, O_RDWR | 0o40000, page, 0),
          exportFrom(fd, O_RDWR | O_SYNC, page, 0),
          exportFrom(fd, 2n ** 40n, page, 0),
        ]
        const refused = 'EINVAL'
        assert.deepEqual(answers, [0, page, refused, refused, MiB, refused, refused, refused, refused, 0, 0])
      }),
    )

    it(
      'a dma-buf of it',
      open(O_RDWR, (fd) => {
        const argument = words(O_RDWR | O_CLOEXEC, 2 * page, page, 0, 0)
        kernel.ioctl(fd, EXPORT, argument)
        const dmaBuf = new DataView(argument.buffer).getInt32(32, true)
        assert.equal(kernel.readLink(`/proc/self/fd/${dmaBuf}`), '/dmabuf:')
        const info = kernel.readText(`/proc/self/fdinfo/${dmaBuf}`)
        assert.match(info, /^flags:\t02000002\n[\s\S]*^size:\t8192\ncount:\t1\nexp_name:\tudmabuf0$/m)
        const maps = [
          map(dmaBuf, 2 * page),
          map(dmaBuf, 3 * page),
          map(dmaBuf, page, 2 * page),
          map(dmaBuf, page, page),
        ]
        assert.deepEqual(maps, [0, 'EINVAL', 'EINVAL', 0])
        const brackets = [7, 3, 7, 0].map((flags) => tell(dmaBuf, DMA_BUF_IOCTL_SYNC, flags))
        assert.deepEqual(brackets, [0, 0, 0, 'EINVAL'])
        kernel.close(dmaBuf)
      }),
    )
  })

  uDmaBufSyncErrnos({ describe, it }, host)
}
