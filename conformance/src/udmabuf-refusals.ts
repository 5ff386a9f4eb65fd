import assert from 'node:assert/strict'
import { createUdmabuf, type DmaBuf } from '@linux-dma/udmabuf'
import type { Host } from './host'
import { type RawItem, rawCreate, rawCreateList } from './raw-dma-buf'
import { refusal, withoutLeaks } from './with-device'
import { outcome } from './with-uio'

const HUGE = 0x20_0000

/** Something that cannot be made: what the kernel answers, and what the package says in its place. */
interface Refused {
  readonly item: RawItem | readonly RawItem[]
  readonly errno: string
  readonly code: string
  readonly message?: RegExp
  readonly hint?: RegExp
}

/** What the suites share that ask `/dev/udmabuf`, and the package, for what cannot be made. */
export function udmabufRefusals(host: Host) {
  const { kernel } = host
  /** What the kernel answers; a buffer is closed at once. */
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

  return { create, make, assertRefused, withMemfd }
}
