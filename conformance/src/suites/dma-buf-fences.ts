import assert from 'node:assert/strict'
import { allocateDmaMemory } from '@linux-dma/core'
import { POLLIN, POLLOUT } from '@linux-dma/native'
import { allocateFromHeap, createUdmabuf, type DmaBuf } from '@linux-dma/udmabuf'
import type { DmaBufImporter } from '../dma-buf-importer'
import type { Host, Runner } from '../host'
import { withoutLeaks } from '../with-device'
import { settledAfter, tick, withImported } from '../with-dma-buf'

const EIO = 5

/** A device that imported a dma-buf, and what its work means to whoever wants the bytes. */
export function dmaBufFences({ describe, it, skip }: Runner, host: Host): void {
  const { kernel, runProcess } = host
  const page = kernel.pageSize
  const imported = (test: (buffer: DmaBuf, device: DmaBufImporter) => void | Promise<void>) => () =>
    withImported(host, () => createUdmabuf({ size: 4 * page, kernel }), test)
  /** What stands in nobody's way, now. */
  const idle = (buffer: DmaBuf) => kernel.poll(buffer.fd, POLLIN | POLLOUT)

  describe('dma-buf fences', () => {
    it(
      'gives a device one piece for each page',
      imported((buffer, device) => {
        assert.equal(device.size, buffer.size)
        assert.deepEqual(device.segments, [page, page, page, page])
      }),
    )

    it('gives a device huge pages in pieces of base pages', () =>
      withImported(
        host,
        () => createUdmabuf({ size: 0x20_0000, hugePageSize: 0x20_0000, kernel }),
        (_, device) => {
          assert.equal(device.segments.length, 0x20_0000 / page)
          assert.ok(device.segments.every((byteLength) => byteLength === page))
        },
      ))

    it('gives a device all of a buffer of a heap', () =>
      withImported(
        host,
        () => allocateFromHeap('system', 3 * page, { kernel }),
        (_, device) => {
          const sum = device.segments.reduce((total, byteLength) => total + byteLength, 0)
          assert.deepEqual([device.size, sum], [3 * page, 3 * page])
        },
      ))

    it('shows device and CPU the same bytes, in the order of the pieces', () =>
      withoutLeaks(host, async () => {
        using memory = allocateDmaMemory({ byteLength: 4 * page, kernel })
        const list = [3, 0].map((index) => ({ memory, offset: index * page, size: page }))
        await withImported(
          host,
          () => createUdmabuf({ list, kernel }),
          (buffer, device) => {
            device.write(page - 2, Uint8Array.of(1, 2, 3, 4))
            buffer.cpuAccess('read-write', (bytes) => {
              assert.deepEqual(bytes.slice(page - 2, page + 2), Uint8Array.of(1, 2, 3, 4))
              bytes.set([5, 6], page + 1)
            })
            assert.deepEqual(device.read(page, 3), Uint8Array.of(3, 5, 6))
            const ends = [4 * page - 2, 4 * page - 1, 0, 1, 2].map((offset) => memory.bytes[offset])
            assert.deepEqual(ends, [1, 2, 3, 5, 6])
          },
        )
      }))

    it(
      'lets everybody in where no device is at work',
      imported(async (buffer) => {
        assert.equal(await idle(buffer), POLLIN | POLLOUT)
        await buffer.waitForCpuAccess('read')
        await buffer.waitForCpuAccess('read-write')
      }),
    )

    it(
      'keeps out who writes while a device reads, and nobody else',
      imported(async (buffer, device) => {
        const reading = device.addFence('read')
        assert.equal(await idle(buffer), POLLIN)
        await buffer.waitForCpuAccess('read')
        const writers = [buffer.waitForCpuAccess('write'), buffer.waitForCpuAccess('read-write')]
        await settledAfter(host, writers, () => reading.signal())
        assert.equal(await idle(buffer), POLLIN | POLLOUT)
        buffer.cpuAccess('write', (bytes) => bytes.fill(1))
      }),
    )

    it(
      'keeps everybody out while a device writes',
      imported(async (buffer, device) => {
        const writing = device.addFence('write')
        const everybody = (['read', 'read', 'write', 'read-write'] as const).map((access) =>
          buffer.waitForCpuAccess(access),
        )
        await settledAfter(host, everybody, () => {
          device.write(0, Uint8Array.of(77))
          writing.signal()
        })
        assert.equal(
          buffer.cpuAccess('read', (bytes) => bytes[0]),
          77,
        )
      }),
    )

    it(
      'waits for the last of several',
      imported(async (buffer, device) => {
        const works = [device.addFence('read'), device.addFence('write'), device.addFence('write')]
        const waiting = buffer.waitForCpuAccess('write')
        works[1]!.signal()
        works[0]!.signal()
        await settledAfter(host, [waiting], () => works[2]!.signal())
      }),
    )

    it(
      'ends a wait by a signal, and leaves the others waiting',
      imported(async (buffer, device) => {
        const writing = device.addFence('write')
        const reason = new Error('no more')
        const abort = new AbortController()
        const aborted = buffer.waitForCpuAccess('read', { signal: abort.signal })
        const waiting = buffer.waitForCpuAccess('read')
        abort.abort(reason)
        await assert.rejects(aborted, (error) => error === reason)
        const late = buffer.waitForCpuAccess('read', { signal: AbortSignal.abort(reason) })
        await assert.rejects(late, (error) => error === reason)
        await settledAfter(host, [waiting], () => writing.signal())
      }),
    )

    it(
      'ends a wait where the device fails, and where it goes away',
      imported(async (buffer, device) => {
        const failing = device.addFence('write')
        await settledAfter(host, [buffer.waitForCpuAccess('read')], () => failing.signal(EIO))
        device.addFence('write')
        await settledAfter(host, [buffer.waitForCpuAccess('read')], () => device.detach())
        assert.equal(await idle(buffer), POLLIN | POLLOUT)
      }),
    )

    it(
      'ends a wait where the buffer is closed',
      imported(async (buffer, device) => {
        device.addFence('write')
        const waiting = buffer.waitForCpuAccess('read')
        const refused = assert.rejects(waiting, { code: 'DMA_CLOSED' })
        await tick(host)
        buffer.close()
        await refused
      }),
    )

    if (!runProcess) {
      const reason = 'the fake machine has one thread, which it refuses to block for ever'
      for (const title of blocking) skip(title, reason)
      return
    }

    it(blocking[0], () =>
      withImported(
        host,
        () => createUdmabuf({ size: page, kernel }),
        async (buffer, device) => {
          const writing = device.addFence('write')
          const begun = kernel.eventfd()
          const child = runProcess(accessingProcess, { descriptors: [buffer.fd, begun] })
          let ended = false
          void child.then(() => {
            ended = true
          })
          await kernel.poll(begun, POLLIN)
          kernel.close(begun)
          await kernel.clock.sleep(200)
          assert.equal(ended, false)
          device.write(0, Uint8Array.of(42))
          writing.signal()
          assert.deepEqual(await child, { status: 0, signal: null, output: 'saw 42\n' })
        },
      ),
    )

    it(blocking[1], () =>
      withImported(
        host,
        () => createUdmabuf({ size: page, kernel }),
        async (buffer, device) => {
          const writing = device.addFence('write')
          const { signal, output } = await runProcess(killedProcess, { descriptors: [buffer.fd] })
          assert.deepEqual([signal, output], ['SIGKILL', ''])
          await settledAfter(host, [buffer.waitForCpuAccess('read')], () => writing.signal())
        },
      ),
    )
  })
}

const blocking = [
  'blocks the thread of an access that did not wait, until the work is done',
  'lets go of a thread that is killed meanwhile',
] as const

const accessingProcess = `
  import { linuxKernel } from '@linux-dma/core'
  import { dmaBufGet } from '@linux-dma/udmabuf'
  const kernel = linuxKernel()
  const buffer = dmaBufGet(3, { kernel })
  kernel.write(4, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0))
  console.log('saw ' + buffer.cpuAccess('read', (bytes) => bytes[0]))
  buffer.close()
`

/** Its other thread kills the process while the first one is in the kernel. */
const killedProcess = `
  import { Worker, isMainThread, parentPort } from 'node:worker_threads'
  import { linuxKernel } from '@linux-dma/core'
  import { dmaBufGet } from '@linux-dma/udmabuf'
  if (isMainThread) {
    const worker = new Worker(new URL(import.meta.url))
    await new Promise((resolve) => worker.once('message', resolve))
    worker.postMessage('now')
    dmaBufGet(3, { kernel: linuxKernel() }).cpuAccess('read', () => console.log('got through'))
  } else {
    parentPort.once('message', () => setTimeout(() => process.kill(process.pid, 'SIGKILL'), 200))
    parentPort.postMessage('running')
  }
`
