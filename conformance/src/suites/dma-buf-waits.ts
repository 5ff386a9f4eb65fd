import assert from 'node:assert/strict'
import { type BufferAccess, createUdmabuf, type DmaBuf } from '@linux-dma/udmabuf'
import type { DmaBufImporter } from '../dma-buf-importer'
import type { Host, Runner } from '../host'
import { settledAfter, tick, withImported } from '../with-dma-buf'

/** More than any table of waits should mind. */
const MANY = 300

/** Many who wait for one buffer, or for one sync file: what they take, and what each of them is told. */
export function dmaBufWaits({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const imported = (test: (buffer: DmaBuf, device: DmaBufImporter) => void | Promise<void>) => () =>
    withImported(host, () => createUdmabuf({ size: page, kernel }), test)
  const descriptors = () => kernel.list('/proc/self/fd').length
  const many = <Value>(make: (index: number) => Value) => Array.from({ length: MANY }, (_, at) => make(at))
  const accessOf = (index: number): BufferAccess => (['read', 'write', 'read-write'] as const)[index % 3]!

  /** Checks that waits take no descriptor, and that all of them are told DMA_CLOSED by `close`. */
  const allEndBy = async (waits: readonly Promise<void>[], before: number, close: () => void) => {
    const outcomes = Promise.allSettled(waits)
    await tick(host)
    assert.equal(descriptors(), before)
    close()
    const codes = (await outcomes).map((outcome) => (outcome as PromiseRejectedResult).reason?.code)
    assert.deepEqual(new Set(codes), new Set(['DMA_CLOSED']))
  }

  /** A wait, and what ends it. */
  const abortable = (wait: (signal: AbortSignal) => Promise<void>) => {
    const abort = new AbortController()
    return { abort, wait: wait(abort.signal) }
  }

  describe('dma-buf waits', () => {
    it(
      'take no descriptors, and all end when the buffer is closed',
      imported(async (buffer, device) => {
        device.addFence('write')
        const before = descriptors()
        const waits = many((index) => buffer.waitForCpuAccess(accessOf(index)))
        await allEndBy(waits, before, () => buffer.close())
        await assert.rejects(buffer.waitForCpuAccess('read'), { code: 'DMA_CLOSED' })
      }),
    )

    it(
      'of a duplicate go on when the other one is closed',
      imported(async (buffer, device) => {
        const writing = device.addFence('write')
        using copy = buffer.duplicate()
        const waits = many(() => copy.waitForCpuAccess('read'))
        const ended = assert.rejects(buffer.waitForCpuAccess('read'), { code: 'DMA_CLOSED' })
        buffer.close()
        await ended
        await settledAfter(host, waits, () => writing.signal())
      }),
    )

    it(
      'for a sync file take none either, and all end when it is closed',
      imported(async (buffer, device) => {
        const writing = device.addFence('write')
        const file = buffer.exportSyncFile('read')
        const before = descriptors()
        await allEndBy(
          many(() => file.wait()),
          before,
          () => file.close(),
        )
        using later = buffer.exportSyncFile('read')
        await settledAfter(
          host,
          many(() => later.wait()),
          () => writing.signal(),
        )
      }),
    )

    it(
      'to read end before those to write, of one buffer and at once',
      imported(async (buffer, device) => {
        const [reading, writing] = [device.addFence('read'), device.addFence('write')]
        const writers = many(() => buffer.waitForCpuAccess('write'))
        const readers = many(() => buffer.waitForCpuAccess('read'))
        await settledAfter(host, readers, () => writing.signal())
        await settledAfter(host, writers, () => reading.signal())
      }),
    )

    it(
      'to read begin and end while others wait to write',
      imported(async (buffer, device) => {
        const reading = device.addFence('read')
        const writers = many(() => buffer.waitForCpuAccess('write'))
        for (let round = 0; round < 10; round++) await buffer.waitForCpuAccess('read')
        await settledAfter(host, writers, () => reading.signal())
      }),
    )

    it(
      'end one by one by signals of their own, whoever else waits',
      imported(async (buffer, device) => {
        const writing = device.addFence('write')
        using file = buffer.exportSyncFile('read')
        const waits = many((index) =>
          abortable((signal) =>
            index % 2 === 0 ? buffer.waitForCpuAccess(accessOf(index), { signal }) : file.wait({ signal }),
          ),
        )
        const others = waits.filter((_, index) => index % 5 !== 0)
        for (const [index, { abort, wait }] of waits.entries()) {
          if (index % 5 !== 0) continue
          const reason = new Error(`${index} has enough`)
          const ended = assert.rejects(wait, (error) => error === reason)
          abort.abort(reason)
          await ended
        }
        await settledAfter(
          host,
          others.map(({ wait }) => wait),
          () => writing.signal(),
        )
      }),
    )

    it(
      'leave nothing behind when the last of them has given up, and can begin anew',
      imported(async (buffer, device) => {
        const writing = device.addFence('write')
        const before = kernel.live()
        const waits = many((index) =>
          abortable((signal) => buffer.waitForCpuAccess(accessOf(index), { signal })),
        )
        const outcomes = Promise.allSettled(waits.map(({ wait }) => wait))
        for (const { abort } of waits) abort.abort()
        for (const { status } of await outcomes) assert.equal(status, 'rejected')
        await tick(host)
        assert.deepEqual(kernel.live(), before)
        await settledAfter(host, [buffer.waitForCpuAccess('read')], () => writing.signal())
      }),
    )

    it(
      'are each for what the descriptor is of now, where its number is given out again',
      imported(async (buffer, device) => {
        const writing = device.addFence('write')
        const waiters: (() => { readonly fd: number; wait(): Promise<void>; close(): void })[] = [
          () => buffer.exportSyncFile('read'),
          () => {
            const copy = buffer.duplicate()
            return { fd: copy.fd, wait: () => copy.waitForCpuAccess('read'), close: () => copy.close() }
          },
        ]
        const second = waiters.map((open) => {
          const first = open()
          const { fd } = first
          const ended = assert.rejects(first.wait(), { code: 'DMA_CLOSED' })
          first.close()
          // The lowest free number: the one that was just given back.
          const next = open()
          assert.equal(next.fd, fd)
          return { ended, next, wait: next.wait() }
        })
        for (const { ended } of second) await ended
        await settledAfter(
          host,
          second.map(({ wait }) => wait),
          () => writing.signal(),
        )
        for (const { next } of second) next.close()
      }),
    )
  })
}
