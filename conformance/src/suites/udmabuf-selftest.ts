import assert from 'node:assert/strict'
import { allocateDmaMemory, type DmaMemory } from '@linux-dma/core'
import { createUdmabuf, type DmaBuf } from '@linux-dma/udmabuf'
import type { Host, Runner } from '../host'
import { rawCreate } from '../raw-dma-buf'
import { refusal, withoutLeaks } from '../with-device'
import { outcome } from '../with-uio'

const HUGE = 0x20_0000

/**
 * What the kernel's own test of udmabuf asserts, each time by the system call and by the package. Its huge pages are 1,024:
 * here they are four, as many as a small machine can spare.
 */
export function udmabufSelftest({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const withMemory = (pages: number, test: (memory: DmaMemory) => void, hugePageSize?: number) =>
    withoutLeaks(host, () => {
      const byteLength = pages * (hugePageSize ?? page)
      using memory = allocateDmaMemory({ byteLength, kernel, ...(hugePageSize ? { hugePageSize } : {}) })
      test(memory)
    })

  /** Writes to the memory after the buffer was made, and compares each page of both. */
  const agree = (memory: DmaMemory, buffer: DmaBuf, offsets: readonly number[], pieceSize: number) => {
    assert.equal(buffer.size, offsets.length * pieceSize)
    const compare = () =>
      buffer.cpuAccess('read', (bytes) => {
        offsets.forEach((offset, index) => {
          for (let at = 0; at < pieceSize; at += page) {
            const own = memory.bytes[offset + at]
            assert.equal(bytes[index * pieceSize + at], own, `piece ${index}, byte ${at}`)
          }
        })
        return [bytes[0], bytes.at(-1)]
      })
    assert.deepEqual(compare(), [0x61, 0x61])
    memory.bytes.fill(0x62)
    assert.deepEqual(compare(), [0x62, 0x62])
  }

  describe('udmabuf selftest', () => {
    it('1: refuses an offset that is in the middle of a page', () =>
      withMemory(4, (memory) => {
        assert.equal(
          outcome(() => rawCreate(kernel, { fd: memory.fd, offset: page / 2, size: page })),
          'EINVAL',
        )
        refusal(() => createUdmabuf({ memory, offset: page / 2, size: page }), 'DMA_ALIGNMENT')
      }))

    it('2: refuses a size that is no whole pages', () =>
      withMemory(4, (memory) => {
        assert.equal(
          outcome(() => rawCreate(kernel, { fd: memory.fd, size: page / 2 })),
          'EINVAL',
        )
        refusal(() => createUdmabuf({ memory, size: page / 2 }), 'DMA_ALIGNMENT')
      }))

    it('3: refuses descriptor 0, which is no memfd', () =>
      withoutLeaks(host, () => {
        assert.equal(
          outcome(() => rawCreate(kernel, { fd: 0, size: page })),
          'EBADFD',
        )
        refusal(() => createUdmabuf({ list: [{ fd: 0, size: page }], kernel }), 'DMA_NOT_MEMFD')
      }))

    it('4: makes a buffer where all is right', () =>
      withMemory(4, (memory) => {
        kernel.close(rawCreate(kernel, { fd: memory.fd, size: 4 * page }))
        createUdmabuf({ memory }).close()
      }))

    it('5: shows four pieces of four pages each as they are after it was made', () =>
      withMemory(1024, (memory) => {
        memory.bytes.fill(0x61)
        const offsets = [0, 1, 2, 3].map((index) => (index * memory.byteLength) / 4)
        const list = offsets.map((offset) => ({ memory, offset, size: 4 * page }))
        using buffer = createUdmabuf({ list })
        agree(memory, buffer, offsets, 4 * page)
      }))

    it('6: does so with pieces of huge pages', () =>
      withMemory(
        4,
        (memory) => {
          memory.bytes.fill(0x61)
          const offsets = [0, 1, 2, 3].map((index) => index * HUGE)
          const list = offsets.map((offset) => ({ memory, offset, size: 4 * page }))
          using buffer = createUdmabuf({ list })
          agree(memory, buffer, offsets, 4 * page)
        },
        HUGE,
      ))
  })
}
