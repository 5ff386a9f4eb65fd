import assert from 'node:assert/strict'
import { allocateDmaMemory } from '@linux-dma/core'
import {
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_WRITE,
  O_RDONLY,
  O_RDWR,
} from '@linux-dma/native'
import { createUdmabuf, type DmaBuf, openUdmabuf } from '@linux-dma/udmabuf'
import type { Host, Runner } from '../host'
import { isInherited, type RawItem, rawCreate, rawCreateList, withLimit, withNode } from '../raw-dma-buf'
import { refusal, withoutLeaks } from '../with-device'
import { outcome } from '../with-uio'

const MiB = 0x10_0000
const HUGE = 2 * MiB

/** Something that cannot be made: what the kernel answers, and what the package says in its place. */
interface Refused {
  readonly item: RawItem | readonly RawItem[]
  readonly errno: string
  readonly code: string
  readonly message?: RegExp
  readonly hint?: RegExp
}

/** What /dev/udmabuf answers, to the errno, and how the package tells one EINVAL from another. */
export function udmabufErrnos({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const create = (item: RawItem | readonly RawItem[], flags?: number) =>
    outcome(() => {
      const fd = Array.isArray(item)
        ? rawCreateList(kernel, item, flags)
        : rawCreate(kernel, item as RawItem, flags)
      kernel.close(fd)
      return 'a buffer'
    })
  /** The same through the package. */
  const make = (item: RawItem | readonly RawItem[]): DmaBuf =>
    createUdmabuf({ list: (Array.isArray(item) ? item : [item]) as never, kernel })
  const assertRefused = ({ item, errno, code, message, hint }: Refused) => {
    const what = JSON.stringify(item, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
    assert.equal(create(item), errno, what)
    const before = kernel.live()
    const error = refusal(() => make(item), code, hint)
    if (message) assert.match(error.message, message)
    assert.deepEqual(kernel.live(), before)
  }
  /** Runs a test with a memfd of so many bytes. */
  const withMemfd = (byteLength: number, test: (fd: number) => void | Promise<void>, huge = false) =>
    withoutLeaks(host, async () => {
      const fd = kernel.memfd('errnos', huge ? { byteLength, hugePageSize: HUGE } : { byteLength })
      try {
        await test(fd)
      } finally {
        kernel.close(fd)
      }
    })

  describe('udmabuf errnos', () => {
    it('node: root’s alone, and no ioctl but two', () =>
      withoutLeaks(host, () => {
        assert.equal(host.modeOf('/dev/udmabuf'), 0o600)
        withNode(kernel, (node) => {
          assert.equal(
            outcome(() => kernel.ioctl(node, 0x4018_7544, new Uint8Array(24))),
            'ENOTTY',
          )
          assert.equal(
            outcome(() => kernel.ioctl(node, 0x4018_7542, 0)),
            'EFAULT',
          )
          assert.equal(
            outcome(() => kernel.ioctl(node, 0x4008_7543, 0)),
            'EFAULT',
          )
        })
      }))

    it('pages: offsets and sizes of whole ones, and one at least', () =>
      withMemfd(4 * page, (fd) => {
        for (const [offset, size] of [
          [1, page],
          [page - 1, page],
          [page + 512, page],
        ] as const) {
          const hint = new RegExp(
            `${Math.floor(offset / page) * page} and ${Math.ceil(offset / page) * page}`,
          )
          assertRefused({
            item: { fd, offset, size },
            errno: 'EINVAL',
            code: 'DMA_ALIGNMENT',
            message: /offset/,
            hint,
          })
        }
        for (const size of [1, page - 1, page + 1, 3 * page + 512]) {
          assertRefused({
            item: { fd, size },
            errno: 'EINVAL',
            code: 'DMA_ALIGNMENT',
            message: /size/,
            hint: /next ones are/,
          })
        }
        assertRefused({ item: { fd, size: 0 }, errno: 'EINVAL', code: 'DMA_INVALID_ARGUMENT' })
      }))

    it('end: no byte beyond it', () =>
      withMemfd(4 * page, (fd) => {
        const beyond = { errno: 'EINVAL', code: 'DMA_RANGE' }
        assertRefused({ item: { fd, size: 5 * page }, ...beyond })
        assertRefused({ item: { fd, offset: 3 * page, size: 2 * page }, ...beyond })
        assertRefused({ item: { fd, offset: 4 * page, size: page }, ...beyond })
        assertRefused({ item: { fd, offset: 2 ** 52, size: page }, ...beyond })
        const senseless = { errno: 'EINVAL', code: 'DMA_INVALID_ARGUMENT' }
        assertRefused({ item: { fd, offset: 1n << 62n, size: page }, ...senseless })
        assertRefused({ item: { fd, offset: BigInt(-page), size: page }, ...senseless })
        assertRefused({ item: { fd, size: BigInt(-page) }, ...senseless })
        assert.equal(create({ fd, offset: 3 * page, size: page }), 'a buffer')
      }))

    it('file: a memfd, and nothing else', () =>
      withoutLeaks(host, () => {
        const [ours, theirs] = kernel.socketPair()
        const others: [number, RegExp][] = [
          [kernel.eventfd(), /eventfd/],
          [ours, /socket/],
          [kernel.open('/dev/udmabuf', O_RDWR), /\/dev\/udmabuf/],
          [rawBuffer(), /dmabuf/],
        ]
        for (const [fd, message] of others) {
          const item = { fd, size: page }
          assertRefused({ item, errno: 'EBADFD', code: 'DMA_NOT_MEMFD', message, hint: /allocateDmaMemory/ })
          kernel.close(fd)
        }
        kernel.close(theirs)
        const closed = { fd: 9999, size: page }
        assertRefused({
          item: closed,
          errno: 'EBADFD',
          code: 'DMA_NOT_MEMFD',
          message: /not open/,
          hint: /memfds/,
        })
        const item = { fd: -1, size: page }
        assertRefused({ item, errno: 'EBADFD', code: 'DMA_INVALID_ARGUMENT', hint: /\{ fd, offset, size \}/ })
      }))

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

    it('flags: unknown ones mean nothing, and who asks for no close-on-exec gets none', () =>
      withMemfd(page, (fd) => {
        assert.equal(create({ fd, size: page }, 0xffff_fffe), 'a buffer')
        for (const [flags, inherited] of [
          [0, true],
          [1, false],
          [0xffff_fffe, true],
        ] as const) {
          const buffer = rawCreate(kernel, { fd, size: page }, flags)
          assert.equal(isInherited(kernel, buffer), inherited, `flags ${flags}`)
          kernel.close(buffer)
        }
      }))

    it('list: one item that is wrong is enough, and it is named', () =>
      withMemfd(4 * page, (fd) => {
        const good = { fd, size: page }
        const sealed = kernel.memfd('sealed', { byteLength: page })
        kernel.addSeals(sealed, F_SEAL_FUTURE_WRITE)
        const rows: readonly [RawItem, string, string][] = [
          [{ fd: sealed, size: page }, 'EINVAL', 'DMA_SEALED'],
          [{ fd, offset: 4 * page, size: page }, 'EINVAL', 'DMA_RANGE'],
          [{ fd, offset: 8, size: page }, 'EINVAL', 'DMA_ALIGNMENT'],
          [{ fd, size: 8 }, 'EINVAL', 'DMA_ALIGNMENT'],
          [{ fd, size: 0 }, 'EINVAL', 'DMA_INVALID_ARGUMENT'],
          [{ fd: 9999, size: page }, 'EBADFD', 'DMA_NOT_MEMFD'],
        ]
        for (const [item, errno, code] of rows) {
          for (const at of [0, 1, 2]) {
            const items = [good, good]
            items.splice(at, 0, item as typeof good)
            assertRefused({ item: items, errno, code, message: new RegExp(`list\\[${at}\\]`) })
          }
        }
        kernel.close(sealed)
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

  /** A dma-buf, which is no memfd. */
  function rawBuffer(): number {
    const fd = kernel.memfd('errnos', { byteLength: page })
    try {
      return rawCreate(kernel, { fd, size: page })
    } finally {
      kernel.close(fd)
    }
  }
}
