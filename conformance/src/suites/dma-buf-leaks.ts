import assert from 'node:assert/strict'
import { allocateDmaMemory } from '@linux-dma/core'
import { allocateFromHeap, createUdmabuf, openUdmabuf, receiveDmaBuf, sendDmaBuf } from '@linux-dma/udmabuf'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'

const MiB = 0x10_0000
const ROUNDS = 10_000
/** Of what takes new pages each time: in an emulator that is milliseconds. */
const DEAR_ROUNDS = 1000

/** Many rounds of everything, after which all is as before: descriptors, mappings, memory. */
export function dmaBufLeaks({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const descriptors = () => kernel.list('/proc/self/fd').length
  /** Bytes of a line of /proc/meminfo; 0 where there is none. */
  const meminfo = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(kernel.readText('/proc/meminfo'))?.[1] ?? 0) * 1024

  /** Runs a test that leaves no descriptor, and the memory of memfds as it was. */
  const withoutRemains = (test: () => void | Promise<void>) =>
    withoutLeaks(host, async () => {
      const before = { descriptors: descriptors(), shared: meminfo('Shmem') }
      await test()
      assert.equal(descriptors(), before.descriptors)
      const grown = meminfo('Shmem') - before.shared
      assert.ok(grown < 2 * MiB, `${grown} bytes of shared memory are left`)
    })

  describe('dma-buf leaks', () => {
    it('a thousand buffers of new memory, written', () =>
      withoutRemains(() => {
        using device = openUdmabuf({ kernel })
        for (let round = 0; round < DEAR_ROUNDS; round++) {
          using buffer = device.create({ size: page })
          buffer.cpuAccess('write', (bytes) => {
            bytes[0] = 1
          })
        }
      }))

    it('ten thousand buffers of one memory, in pieces', () =>
      withoutRemains(() => {
        using device = openUdmabuf({ kernel })
        using memory = allocateDmaMemory({ byteLength: 4 * page, kernel })
        const list = [
          { memory, offset: 2 * page, size: page },
          { memory, size: page },
        ]
        for (let round = 0; round < ROUNDS; round++) device.create({ list }).close()
        assert.equal(memory.dmaBufs.size, 0)
      }))

    it('buffers of a heap, more than the machine has memory', () =>
      withoutRemains(() => {
        const size = 16 * MiB
        const rounds = Math.ceil((1.1 * meminfo('MemTotal')) / size)
        const before = meminfo('MemAvailable')
        for (let round = 0; round < rounds; round++) allocateFromHeap('system', size, { kernel }).close()
        const lost = before - meminfo('MemAvailable')
        assert.ok(lost < 8 * size, `${lost} bytes are gone`)
      }))

    it('buffers that are sent and received, duplicated and mapped', () =>
      withoutRemains(async () => {
        const [ours, theirs] = kernel.socketPair()
        using buffer = createUdmabuf({ size: page, kernel })
        for (let round = 0; round < DEAR_ROUNDS; round++) {
          using copy = buffer.duplicate()
          copy.map().close()
          await sendDmaBuf(ours, [buffer, copy])
          const got = await receiveDmaBuf(theirs, { kernel })
          for (const received of got!.buffers) received.close()
        }
        for (const socket of [ours, theirs]) kernel.close(socket)
      }))

    it('refusals', () =>
      withoutRemains(() => {
        using memory = allocateDmaMemory({ byteLength: 2 * page, kernel })
        const good = { memory, size: page }
        for (let round = 0; round < 50; round++) {
          refusal(() => createUdmabuf({ list: [good, { fd: 9999, size: page }] }), 'DMA_NOT_MEMFD')
          refusal(() => createUdmabuf({ list: [good, { memory, offset: 1, size: page }] }), 'DMA_ALIGNMENT')
          refusal(() => createUdmabuf({ size: 65 * MiB, kernel }), 'DMA_TOO_LARGE')
          refusal(() => allocateFromHeap('none', page, { kernel }), 'ENOENT')
        }
      }))
  })
}
