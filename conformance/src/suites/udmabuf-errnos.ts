import assert from 'node:assert/strict'
import { F_SEAL_FUTURE_WRITE, O_RDWR } from '@linux-dma/native'
import type { Host, Runner } from '../host'
import { isInherited, type RawItem, rawCreate, withNode } from '../raw-dma-buf'
import { udmabufRefusals } from '../udmabuf-refusals'
import { withoutLeaks } from '../with-device'
import { outcome } from '../with-uio'

/** What /dev/udmabuf answers, to the errno, and how the package tells one EINVAL from another. */
export function udmabufErrnos({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const { create, assertRefused, withMemfd } = udmabufRefusals(host)

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
