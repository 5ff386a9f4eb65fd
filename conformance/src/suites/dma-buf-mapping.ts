import assert from 'node:assert/strict'
import { allocateDmaMemory } from '@linux-dma/core'
import { allocateFromHeap, createUdmabuf, type DmaBuf } from '@linux-dma/udmabuf'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'

/** The bytes of a dma-buf in this process: all or a part, to read and to write or to read alone, and for how long. */
export function dmaBufMapping({ describe, it, skip }: Runner, host: Host): void {
  const { kernel, runProcess } = host
  const page = kernel.pageSize

  const withBuffer = (test: (buffer: DmaBuf) => void) =>
    withoutLeaks(host, () => {
      using buffer = createUdmabuf({ size: 4 * page, kernel })
      test(buffer)
    })
  const withReadOnly = (test: (buffer: DmaBuf) => void | Promise<void>) =>
    withoutLeaks(host, async () => {
      using buffer = allocateFromHeap('system', 2 * page, { access: 'read', kernel })
      await test(buffer)
    })

  describe('dma-buf mapping', () => {
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
