import assert from 'node:assert/strict'
import { createUdmabuf, type DmaBuf, type FenceStatus, type SyncFile } from '@linux-dma/udmabuf'
import type { DmaBufImporter } from '../dma-buf-importer'
import type { Host, Runner } from '../host'
import { withoutLeaks } from '../with-device'
import { settledAfter, tick, withImported } from '../with-dma-buf'

const EIO = 5

/** The work of devices as a descriptor: taken from a buffer, waited for, joined, and given to another buffer. */
export function dmaBufSyncFiles({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const make = () => createUdmabuf({ size: page, kernel })
  const imported = (test: (buffer: DmaBuf, device: DmaBufImporter) => void | Promise<void>) => () =>
    withImported(host, make, test)
  const statusesOf = (...files: SyncFile[]): FenceStatus[] => files.map((file) => file.status())

  describe('dma-buf sync files', () => {
    it(
      'is done from the start where no device is at work',
      imported(async (buffer) => {
        using file = buffer.exportSyncFile('read-write')
        assert.equal(file.status(), 'signaled')
        await file.wait()
      }),
    )

    it(
      'stands for what an access has to wait for',
      imported((buffer, device) => {
        const reading = device.addFence('read')
        using toRead = buffer.exportSyncFile('read')
        using toWrite = buffer.exportSyncFile('write')
        assert.deepEqual(statusesOf(toRead, toWrite), ['signaled', 'active'])
        const writing = device.addFence('write')
        using toReadNow = buffer.exportSyncFile('read')
        assert.deepEqual(statusesOf(toRead, toReadNow), ['signaled', 'active'])
        writing.signal()
        assert.deepEqual(statusesOf(toReadNow, toWrite), ['signaled', 'active'])
        reading.signal()
        assert.deepEqual(statusesOf(toReadNow, toWrite), ['signaled', 'signaled'])
      }),
    )

    it(
      'is waited for by any number, until a signal or the end',
      imported(async (buffer, device) => {
        const writing = device.addFence('write')
        using file = buffer.exportSyncFile('read')
        const abort = new AbortController()
        const aborted = assert.rejects(file.wait({ signal: abort.signal }), { name: 'AbortError' })
        await tick(host)
        abort.abort()
        await aborted
        await settledAfter(host, [file.wait(), file.wait()], () => writing.signal())
        assert.equal(file.status(), 'signaled')
      }),
    )

    it(
      'tells that the device failed',
      imported(async (buffer, device) => {
        const writing = device.addFence('write')
        using file = buffer.exportSyncFile('read')
        const failed = assert.rejects(file.wait(), { code: 'DMA_FENCE_FAILED', errno: -EIO })
        writing.signal(EIO)
        await failed
        assert.equal(file.status(), 'error')
        await buffer.waitForCpuAccess('read')
      }),
    )

    it(
      'tells that the device went away',
      imported((buffer, device) => {
        device.addFence('read')
        using file = buffer.exportSyncFile('write')
        device.detach()
        assert.equal(file.status(), 'error')
      }),
    )

    it(
      'makes another buffer wait for the same work',
      imported(async (buffer, device) => {
        using other = make()
        const writing = device.addFence('write')
        using file = buffer.exportSyncFile('read')
        other.importSyncFile(file, 'read')
        await other.waitForCpuAccess('read')
        await settledAfter(host, [other.waitForCpuAccess('write')], () => writing.signal())

        const again = device.addFence('write')
        using later = buffer.exportSyncFile('read')
        other.importSyncFile(later, 'write')
        await settledAfter(host, [other.waitForCpuAccess('read')], () => again.signal())
      }),
    )

    it(
      'is joined with another, and done when both are',
      imported(async (buffer, device) => {
        using other = make()
        const elsewhere = host.importDmaBuf(other.fd)
        const [first, second] = [device.addFence('write'), elsewhere.addFence('write')]
        using one = buffer.exportSyncFile('read')
        using two = other.exportSyncFile('read')
        using both = one.merge(two, 'both')
        first.signal()
        assert.deepEqual(statusesOf(one, two, both), ['signaled', 'active', 'active'])
        await settledAfter(host, [both.wait()], () => second.signal())
        assert.deepEqual(statusesOf(one, two, both), ['signaled', 'signaled', 'signaled'])
        elsewhere.detach()
      }),
    )

    it('outlives the buffer that it came from', () =>
      withoutLeaks(host, async () => {
        using buffer = make()
        const device = host.importDmaBuf(buffer.fd)
        const writing = device.addFence('write')
        using file = buffer.exportSyncFile('read')
        buffer.close()
        await settledAfter(host, [file.wait()], () => writing.signal())
        device.detach()
      }))
  })
}
