import assert from 'node:assert/strict'
import type { Kernel } from '@linux-dma/core'
import {
  type BufferAccess,
  createUdmabuf,
  type DmaBuf,
  dmaBufBeginCpuAccess,
  dmaBufEndCpuAccess,
} from '@linux-dma/udmabuf'
import { alteredKernel } from '../altered-kernel'
import type { Host, Runner } from '../host'
import { DMA_BUF_IOCTL_SYNC, rawCreate, rawSync, SYNC_END, SYNC_READ, SYNC_WRITE } from '../raw-dma-buf'
import { refusal, withoutLeaks } from '../with-device'

const START = SYNC_READ | SYNC_WRITE
const END = START | SYNC_END
const ACCESSES: readonly BufferAccess[] = ['read', 'write', 'read-write']

/** What the kernel is told of the CPU’s accesses to a dma-buf: where they begin, and where they end. */
export function dmaBufAccess({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize

  /** Runs a test with a buffer, and what the kernel is told of accesses to it. */
  const withBuffer = (test: (buffer: DmaBuf, told: number[]) => void | Promise<void>) =>
    withoutLeaks(host, async () => {
      const told: number[] = []
      using buffer = createUdmabuf({ size: 4 * page, kernel: listening(kernel, told) })
      await test(buffer, told)
    })

  describe('dma-buf access', () => {
    it('is told to the kernel at its start and its end, as reading and writing always', () =>
      withBuffer((buffer, told) => {
        for (const access of ACCESSES) {
          told.length = 0
          const result = buffer.cpuAccess(access, (bytes) => {
            assert.deepEqual(told, [START])
            return bytes.length
          })
          assert.deepEqual([result, told], [4 * page, [START, END]])
          buffer.beginCpuAccess(access)
          buffer.endCpuAccess(access)
          dmaBufBeginCpuAccess(buffer, access)
          dmaBufEndCpuAccess(buffer, access)
          assert.deepEqual(told.slice(2), [START, END, START, END])
        }
      }))

    it('can be nested, and does not have to end in the order in which it began', () =>
      withBuffer(async (buffer, told) => {
        buffer.cpuAccess('read', (outer) => {
          buffer.cpuAccess('write', (inner) => {
            assert.equal(inner, outer, 'mapped once')
            inner[0] = 4
          })
          assert.equal(outer[0], 4)
        })
        assert.deepEqual(told, [START, START, END, END])
        told.length = 0
        const ends: (() => void)[] = []
        const access = () =>
          buffer.cpuAccess('read', () => new Promise<void>((resolve) => ends.push(resolve)))
        const [first, second] = [access(), access()]
        ends[1]!()
        await second
        assert.deepEqual(told, [START, START, END])
        ends[0]!()
        await first
        assert.deepEqual(told, [START, START, END, END])
      }))

    it('ends where the function throws, and the error is its own', () =>
      withBuffer((buffer, told) => {
        const reason = new Error('enough')
        assert.throws(
          () =>
            buffer.cpuAccess('write', () => {
              throw reason
            }),
          (error) => error === reason,
        )
        assert.deepEqual(told, [START, END])
        buffer.cpuAccess('read', () => undefined)
        assert.deepEqual(told, [START, END, START, END])
      }))

    it('lasts until a promise is settled, either way', () =>
      withBuffer(async (buffer, told) => {
        const reading = buffer.cpuAccess('read', async (bytes) => {
          await kernel.clock.sleep(5)
          return bytes[0]
        })
        assert.deepEqual(told, [START])
        assert.deepEqual([await reading, told], [0, [START, END]])
        told.length = 0
        const reason = new Error('enough')
        const failing = buffer.cpuAccess('write', async () => {
          await kernel.clock.sleep(5)
          throw reason
        })
        assert.deepEqual(told, [START])
        await assert.rejects(failing, (error) => error === reason)
        assert.deepEqual(told, [START, END])
      }))

    it('ends with the buffer: what was written until then is for others', () =>
      withoutLeaks(host, () => {
        const told: number[] = []
        const make = () => createUdmabuf({ size: page, kernel: listening(kernel, told) })
        const begun = make()
        begun.beginCpuAccess('read')
        begun.beginCpuAccess('write')
        begun.endCpuAccess('read')
        begun.close()
        assert.deepEqual(told, [START, START, END, END])
        begun.close()
        told.length = 0
        const within = make()
        const result = within.cpuAccess('read', () => {
          within.close()
          return 7
        })
        assert.deepEqual([result, told], [7, [START, END]])
        told.length = 0
        make().close()
        assert.deepEqual(told, [], 'nothing began')
      }))

    it('says so where the buffer was closed before a promise was settled', () =>
      withoutLeaks(host, async () => {
        const told: number[] = []
        const make = () => createUdmabuf({ size: page, kernel: listening(kernel, told) })
        const first = make()
        let kept: Uint8Array | undefined
        const writing = first.cpuAccess('write', async (bytes) => {
          kept = bytes
          await kernel.clock.sleep(5)
          bytes[0] = 8
          return 8
        })
        first.close()
        assert.deepEqual(told, [START, END], 'at once')
        await assert.rejects(writing, { code: 'DMA_CLOSED', hint: /await what cpuAccess\(\) returns/ })
        assert.equal(kept!.length, page, 'what was late went nowhere, and ended nothing')
        const second = make()
        const reason = new Error('enough')
        const failing = second.cpuAccess('read', async () => {
          await kernel.clock.sleep(1)
          second.close()
          throw reason
        })
        await assert.rejects(failing, (error) => error === reason)
        assert.deepEqual(told, [START, END, START, END])
      }))

    it('of one buffer ends none of a duplicate', () =>
      withoutLeaks(host, async () => {
        const told: number[] = []
        const buffer = createUdmabuf({ size: page, kernel: listening(kernel, told) })
        using copy = buffer.duplicate()
        const reading = copy.cpuAccess('read', async (bytes) => {
          await kernel.clock.sleep(5)
          return bytes[0]
        })
        buffer.close()
        assert.deepEqual([await reading, told], [0, [START, END]])
      }))

    it('begins before it ends', () =>
      withBuffer((buffer) => {
        refusal(() => buffer.endCpuAccess('read'), 'EINVAL', /beginCpuAccess/)
        buffer.beginCpuAccess('read')
        buffer.endCpuAccess('read')
      }))

    it('sees all bytes, whichever direction somebody else was first with', () =>
      withoutLeaks(host, () => {
        for (const first of [SYNC_READ, SYNC_WRITE]) {
          const fd = kernel.memfd('access', { byteLength: page })
          const buffer = rawCreate(kernel, { fd, size: page })
          rawSync(kernel, buffer, first)
          assert.equal(rawSync(kernel, buffer, END), 0)
          assert.equal(rawSync(kernel, buffer, START), 0)
          using mapping = kernel.mmap(buffer, { byteLength: page })
          mapping.bytes[0] = first
          assert.equal(rawSync(kernel, buffer, END), 0)
          const byte = new Uint8Array(1)
          kernel.read(fd, byte, 0)
          assert.equal(byte[0], first)
          for (const open of [buffer, fd]) kernel.close(open)
        }
      }))

    it('is one of three words', () =>
      withBuffer(async (buffer, told) => {
        for (const word of ['', 'rw', 'READ', 'toString', 3, undefined, null] as never[]) {
          for (const use of [
            () => buffer.cpuAccess(word, () => 1),
            () => buffer.beginCpuAccess(word),
            () => buffer.endCpuAccess(word),
            () => buffer.exportSyncFile(word),
          ]) {
            refusal(use, 'DMA_INVALID_ARGUMENT', /'read', 'write' or 'read-write'/)
          }
          await assert.rejects(buffer.waitForCpuAccess(word), { code: 'DMA_INVALID_ARGUMENT' })
        }
        assert.deepEqual(told, [])
        refusal(() => buffer.cpuAccess('read', 'no function' as never), 'DMA_INVALID_ARGUMENT')
        assert.deepEqual(told, [])
      }))
  })
}

/** The same kernel, whose DMA_BUF_IOCTL_SYNC are noted in `told`. */
function listening(kernel: Kernel, told: number[]): Kernel {
  return alteredKernel(kernel, {
    ioctl(fd, request, argument, name) {
      if (request === DMA_BUF_IOCTL_SYNC) told.push((argument as Uint8Array)[0]!)
      return kernel.ioctl(fd, request, argument, name)
    },
  })
}
