import assert from 'node:assert/strict'
import { DmaError, type Kernel } from '@linux-dma/core'
import { allocateFromHeap, createUdmabuf, type DmaBuf } from '@linux-dma/udmabuf'
import { alteredKernel } from '../altered-kernel'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'

const MiB = 0x10_0000
/** At most so many buffers take all memory: a process has descriptors for them. */
const PIECES = 512

/** What a machine has not got is refused before the kernel is asked, which would end processes, or the machine. */
export function dmaBufMemory({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const meminfo = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(kernel.readText('/proc/meminfo'))![1]) * 1024
  const ways: Readonly<Record<string, (size: number, of?: Kernel) => DmaBuf>> = {
    'a heap’s buffer': (size, of = kernel) => allocateFromHeap('system', size, { kernel: of }),
    'a udmabuf of new memory': (size, of = kernel) => createUdmabuf({ size, kernel: of }),
  }

  describe('dma-buf memory', () => {
    for (const [what, make] of Object.entries(ways)) {
      it(`${what}: of more than there is, of whatever size`, () =>
        withoutLeaks(host, () => {
          for (const size of [2 * meminfo('MemAvailable'), 2 ** 45, Number.MAX_SAFE_INTEGER - page]) {
            const error = refusal(() => make(size), 'DMA_TOO_LARGE', /allocate less/)
            assert.match(error.message, /the machine has \d+ bytes to give/)
          }
        }))

      it(`${what}: of all that there is, since the machine needs some itself`, () =>
        withoutLeaks(host, () => {
          refusal(() => make(meminfo('MemAvailable') - page), 'DMA_TOO_LARGE')
        }))

      it(`${what}: after many, when they have taken what there is`, () =>
        withoutLeaks(host, () => {
          const total = meminfo('MemTotal')
          const size = Math.min(64 * MiB, Math.ceil(total / PIECES / MiB) * MiB)
          const buffers: DmaBuf[] = []
          const takeAll = (piece: number) =>
            refusal(() => {
              for (;;) buffers.push(make(piece))
            }, 'DMA_TOO_LARGE')
          try {
            assert.match(takeAll(size).message, new RegExp(`and not ${size}`))
            assert.ok(buffers.length > 1, `${buffers.length} buffers`)
            // What is too little for one more of those goes to small ones, and not all of it either.
            takeAll(MiB / 16)
            const left = meminfo('MemAvailable')
            assert.ok(left > total / 64, `${left} bytes are left of ${total}`)
          } finally {
            for (const buffer of buffers) buffer.close()
          }
          // What was given back is there at once.
          make(size).close()
        }))

      it(`${what}: not where the machine does not tell`, () =>
        withoutLeaks(host, () => {
          const silent = alteredKernel(kernel, {
            readText(path) {
              if (path === '/proc/meminfo') throw new DmaError('EACCES', 'nothing to see', { path })
              return kernel.readText(path)
            },
          })
          make(4 * MiB, silent).close()
        }))
    }
  })
}
