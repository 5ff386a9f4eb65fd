import assert from 'node:assert/strict'
import { O_RDONLY, O_RDWR, O_WRONLY, POLLIN, POLLOUT } from '@linux-dma/native'
import type { Host, Runner } from '../host'
import { withoutLeaks } from '../with-device'
import { outcome } from '../with-uio'

const MiB = 0x10_0000
const NODE = '/dev/udmabuf0'
const FOLDER = '/sys/class/u-dma-buf/udmabuf0'
const O_SYNC = 0o4010000
const O_CLOEXEC = 0o2000000

const GET_DRV_INFO = 0x8018_5501
const GET_SIZE = 0x8008_5502
const GET_DMA_ADDR = 0x8008_5503
const GET_SYNC_OWNER = 0x8004_5504
const SET_SYNC_FOR_CPU = 0x4008_5505
const SET_SYNC_FOR_DEVICE = 0x4008_5506
const GET_DEV_INFO = 0x8018_5507
const GET_SYNC = 0x8018_5508
const SET_SYNC = 0x4018_5509
const EXPORT = 0xc028_550a
const REQUESTS = [
  ...[GET_DRV_INFO, GET_SIZE, GET_DMA_ADDR, GET_SYNC_OWNER, SET_SYNC_FOR_CPU, SET_SYNC_FOR_DEVICE],
  ...[GET_DEV_INFO, GET_SYNC, SET_SYNC, EXPORT],
]
const DMA_BUF_IOCTL_SYNC = 0x4008_6200

function words(...values: (number | bigint)[]): Uint8Array {
  return new Uint8Array(new BigUint64Array(values.map(BigInt)).buffer)
}

/** What u-dma-buf answers, to the errno, with no package between: as version 5.5.0 of the driver does. */
export function uDmaBufErrnos({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const open = (flags: number, test: (fd: number) => void | Promise<void>) => () =>
    withoutLeaks(host, async () => {
      const fd = kernel.open(NODE, flags)
      try {
        await test(fd)
      } finally {
        // As the driver has it at first.
        kernel.writeText(`${FOLDER}/sync_for_cpu`, '0')
        kernel.writeText(`${FOLDER}/sync_for_device`, '0')
        if ((flags & 3) !== O_WRONLY) kernel.ioctl(fd, SET_SYNC, words(0x101, MiB, 0))
        kernel.close(fd)
      }
    })
  const text = (name: string) => kernel.readText(`${FOLDER}/${name}`).trim()
  const store = (name: string, value: string) =>
    outcome(() => kernel.writeText(`${FOLDER}/${name}`, value)) ?? 0
  const map = (fd: number, byteLength: number, position = 0, access: 'read' | 'read-write' = 'read-write') =>
    outcome(() => kernel.mmap(fd, { byteLength, position, access }).close()) ?? 0
  const ask = (fd: number, request: number, byteLength: number) => {
    const bytes = new Uint8Array(byteLength)
    kernel.ioctl(fd, request, bytes)
    return [...new BigUint64Array(bytes.buffer)]
  }
  const state = (fd: number) => {
    const [flags, size, offset] = ask(fd, GET_SYNC, 24)
    return `${flags!.toString(16)} ${size} ${offset}`
  }
  const tell = (fd: number, request: number, ...values: (number | bigint)[]) =>
    outcome(() => kernel.ioctl(fd, request, words(...values)))
  /** What is exported is closed again: how far from the buffer's start it begins. */
  const exportFrom = (fd: number, flags: number | bigint, size: number, offset: number) =>
    outcome(() => {
      const argument = words(flags, size, offset, 0, 0)
      kernel.ioctl(fd, EXPORT, argument)
      const view = new DataView(argument.buffer)
      kernel.close(view.getInt32(32, true))
      return Number(view.getBigUint64(24, true)) - Number(text('phys_addr'))
    })

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
      'SET_SYNC: what it keeps, and what it refuses',
      open(O_RDWR, (fd) => {
        const rows: [values: (number | bigint)[], answer: number | string, after: string][] = [
          [[4, 4096, 8192], 0, '4 4096 8192'],
          [[1 | 8, 4096, 0], 0, '8 4096 0'],
          [[3 | 4, 4096, 4096], 0, '10004 4096 4096'],
          [[1 | 12, 16, 16], 0, '4 16 16'],
          [[1, 1, MiB - 1], 0, `0 1 ${MiB - 1}`],
          [[3, 0, 0], 0, '10000 1 0'],
          [[3, 2, MiB - 1], 'EINVAL', `10000 2 ${MiB - 1}`],
          [[1, 0, MiB], 'EINVAL', `10000 2 ${MiB}`],
          [[1, 16, 2n ** 40n], 'EINVAL', `10000 16 ${2n ** 40n}`],
          [[1, 2n ** 64n - 1n, 0], 'EINVAL', `10000 ${2n ** 64n - 1n} 0`],
          [[1, 32, 2n ** 64n - 16n], 0, `0 32 ${2n ** 64n - 16n}`],
          [[2, 4096, 0], 0, '0 4096 0'],
          [[1 << 16, 0, 0], 0, '0 4096 0'],
        ]
        const withMode = (after: string) =>
          after.replace(/^\w+/, (flags) => (Number.parseInt(flags, 16) | 0x100).toString(16))
        for (const [values, answer, after] of rows) {
          assert.deepEqual(
            [tell(fd, SET_SYNC, ...values), state(fd)],
            [answer, withMode(after)],
            values.join(' '),
          )
        }
        assert.equal(tell(fd, SET_SYNC, 0x17 << 8, 0, 0), 0)
        assert.deepEqual([text('sync_mode'), state(fd)], ['23', '1700 4096 0'])
      }),
    )

    it(
      'SET_SYNC_FOR_CPU and SET_SYNC_FOR_DEVICE: a word with its own range, or none',
      open(O_RDWR, (fd) => {
        const answers = [
          tell(fd, SET_SYNC_FOR_DEVICE, 1),
          text('sync_owner'),
          tell(fd, SET_SYNC_FOR_CPU, 0),
          text('sync_owner'),
          tell(fd, SET_SYNC_FOR_CPU, 0x1000_0000_1005n),
          text('sync_owner'),
          tell(fd, SET_SYNC_FOR_DEVICE, 0xffff_f000_0000_0021n),
          text('sync_for_device'),
          tell(fd, SET_SYNC_FOR_DEVICE, 2),
          text('sync_for_device'),
        ]
        assert.deepEqual(answers, [0, '1', 0, '1', 0, '0', 'EINVAL', '18446726481523507233', 0, '0'])
      }),
    )

    it(
      'stores',
      open(O_RDWR, () => {
        const answers = [
          store('sync_direction', '2'),
          store('sync_direction', '3'),
          store('sync_mode', '8'),
          store('sync_mode', '-1'),
          store('sync_mode', 'abc'),
          store('sync_offset', '0x1000'),
          store('sync_size', '4096\n'),
          store('sync_for_device', '1'),
          text('sync_owner'),
          store('sync_for_cpu', '0x1000000001000001'),
          text('sync_for_cpu'),
          store('sync_size', '99999999'),
          store('sync_for_cpu', '1'),
          store('debug_vma', '4'),
          store('debug_export', '2'),
        ]
        const refused = 'EINVAL'
        assert.deepEqual(answers, [
          ...[0, refused, refused, refused, refused, 0, 0, 0, '1', refused, '1152921504623624193'],
          ...[0, refused, refused, refused],
        ])
        for (const name of ['size', 'phys_addr', 'sync_owner']) assert.equal(store(name, '1'), 'EACCES')
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
}
