import assert from 'node:assert/strict'
import { allocateDmaMemory, type Kernel } from '@linux-dma/core'
import {
  allocateFromHeap,
  type BufferAccess,
  createUdmabuf,
  type DmaBuf,
  dmaBufBeginCpuAccess,
  dmaBufEndCpuAccess,
} from '@linux-dma/udmabuf'
import type { Host, Runner } from '../host'
import { DMA_BUF_IOCTL_SYNC, rawCreate, rawSync, SYNC_END, SYNC_READ, SYNC_WRITE } from '../raw-dma-buf'
import { refusal, withoutLeaks } from '../with-device'

const START = SYNC_READ | SYNC_WRITE
const END = START | SYNC_END
const ACCESSES: readonly BufferAccess[] = ['read', 'write', 'read-write']

/** How the CPU gets at the bytes of a dma-buf: in brackets, by mappings, to read and to write. */
export function dmaBufAccess({ describe, it, skip }: Runner, host: Host): void {
  const { kernel, runProcess } = host
  const page = kernel.pageSize

  /** Runs a test with a buffer, and what the kernel is told of accesses to it. */
  const withBuffer = (test: (buffer: DmaBuf, told: number[]) => void | Promise<void>) =>
    withoutLeaks(host, async () => {
      const told: number[] = []
      using buffer = createUdmabuf({ size: 4 * page, kernel: listening(kernel, told) })
      await test(buffer, told)
    })
  const withReadOnly = (test: (buffer: DmaBuf) => void | Promise<void>) =>
    withoutLeaks(host, async () => {
      using buffer = allocateFromHeap('system', 2 * page, { access: 'read', kernel })
      await test(buffer)
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

    it('needs no end where the buffer is closed within', () =>
      withoutLeaks(host, async () => {
        const told: number[] = []
        const make = () => createUdmabuf({ size: page, kernel: listening(kernel, told) })
        const first = make()
        assert.equal(
          first.cpuAccess('read', () => {
            first.close()
            return 7
          }),
          7,
        )
        const second = make()
        const reason = new Error('enough')
        const failing = second.cpuAccess('read', async () => {
          await kernel.clock.sleep(1)
          second.close()
          throw reason
        })
        await assert.rejects(failing, (error) => error === reason)
        const third = make()
        const waiting = third.cpuAccess('write', () => kernel.clock.sleep(5).then(() => 8))
        third.close()
        assert.equal(await waiting, 8)
        assert.deepEqual(told, [START, START, START])
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

    it('is of a part where a part is mapped', () =>
      withBuffer((buffer) => {
        using whole = buffer.map()
        for (const [offset, size] of [
          [0, page],
          [page, 3 * page],
          [2 * page, page],
        ] as const) {
          using part = buffer.map({ offset, size })
          part.bytes[size - 1] = 9
          assert.deepEqual([part.size, part.offset, whole.bytes[offset + size - 1]], [size, offset, 9])
        }
        using rest = buffer.map({ offset: 3 * page })
        assert.equal(rest.size, page)
      }))

    it('goes no further than the buffer, by whole pages', () =>
      withBuffer((buffer) => {
        refusal(() => buffer.map({ offset: 4 * page }), 'DMA_RANGE')
        refusal(() => buffer.map({ size: 5 * page }), 'DMA_RANGE')
        refusal(() => buffer.map({ offset: page, size: 4 * page }), 'DMA_RANGE')
        refusal(() => buffer.map({ offset: 100 }), 'DMA_ALIGNMENT', new RegExp(`0 and ${page}`))
        refusal(() => buffer.map({ size: page + 1 }), 'DMA_ALIGNMENT', new RegExp(`${page} and ${2 * page}`))
        for (const number of [-page, 0.5, Number.NaN, 2 ** 53, '4096'] as never[]) {
          assert.throws(() => buffer.map({ offset: number }), /DMA_(RANGE|INVALID_ARGUMENT)/)
          assert.throws(() => buffer.map({ size: number }), /DMA_(RANGE|INVALID_ARGUMENT)/)
        }
        refusal(() => buffer.map({ size: 0 }), 'DMA_RANGE')
        refusal(() => buffer.map({ lenght: page } as never), 'DMA_INVALID_ARGUMENT')
        refusal(
          () => buffer.map({ access: 'write' as never }),
          'DMA_INVALID_ARGUMENT',
          /'read' or 'read-write'/,
        )
      }))

    it('is gone with the mapping', () =>
      withoutLeaks(host, () => {
        using memory = allocateDmaMemory({ byteLength: page, kernel })
        using buffer = createUdmabuf({ memory })
        const mapping = buffer.map()
        mapping.close()
        refusal(() => mapping.bytes, 'DMA_CLOSED')
        buffer.cpuAccess('write', (bytes) => bytes.fill(1))
        assert.equal(memory.bytes[0], 1)
      }))

    it('is reading alone where the buffer was made for that', () =>
      withReadOnly(async (buffer) => {
        assert.deepEqual([buffer.access, buffer.info().access], ['read', 'read'])
        assert.equal(
          buffer.cpuAccess('read', (bytes) => bytes[0]),
          0,
        )
        for (const access of ['write', 'read-write'] as const) {
          refusal(() => buffer.cpuAccess(access, () => 1), 'DMA_READ_ONLY')
          refusal(() => buffer.beginCpuAccess(access), 'DMA_READ_ONLY')
          refusal(() => buffer.endCpuAccess(access), 'DMA_READ_ONLY')
        }
        refusal(() => buffer.map({ access: 'read-write' }), 'DMA_READ_ONLY', /map\(\{ access: 'read' \}\)/)
        using mapping = buffer.map()
        assert.equal(mapping.size, 2 * page)
        using copy = buffer.duplicate()
        assert.equal(copy.access, 'read')
        await buffer.waitForCpuAccess('read')
      }))

    it('is refused by the kernel too', () =>
      withReadOnly((buffer) => {
        refusal(() => kernel.mmap(buffer.fd, { byteLength: page }), 'EACCES')
        kernel.mmap(buffer.fd, { byteLength: page, access: 'read' }).close()
      }))

    if (!runProcess) {
      skip(ENDS_PROCESS, 'the fake cannot stop a write through an ArrayBuffer')
      return
    }
    it(ENDS_PROCESS, async () => {
      const processes = (['heap', 'mapping'] as const).map((kind) => runProcess(writeThrough(kind)))
      for (const { signal, output } of await Promise.all(processes)) {
        assert.deepEqual([signal, output], ['SIGSEGV', 'about to write\n'])
      }
    })
  })
}

const ENDS_PROCESS = 'ends a process that writes where it may only read'

const writeThrough = (kind: 'heap' | 'mapping') => `
  import { writeSync } from 'node:fs'
  import { allocateFromHeap, createUdmabuf } from '@linux-dma/udmabuf'
  const buffer = ${kind === 'heap'} ? allocateFromHeap('system', 4096, { access: 'read' }) : createUdmabuf({ size: 4096 })
  const { bytes } = buffer.map({ access: 'read' })
  writeSync(1, 'about to write\\n')
  bytes[0] = bytes[0] + 1
  writeSync(1, 'written\\n')
`

/** The same kernel, whose DMA_BUF_IOCTL_SYNC are noted in `told`. */
function listening(kernel: Kernel, told: number[]): Kernel {
  return new Proxy(kernel, {
    get(target, key) {
      const value = Reflect.get(target, key, target)
      if (typeof value !== 'function') return value
      if (key !== 'ioctl') return value.bind(target)
      return (fd: number, request: number, argument: Uint8Array, name?: string) => {
        if (request === DMA_BUF_IOCTL_SYNC) told.push(argument[0]!)
        return target.ioctl(fd, request, argument, name)
      }
    },
  })
}
