import assert from 'node:assert/strict'
import { allocateDmaMemory } from '@linux-dma/core'
import {
  allocateFromHeap,
  createUdmabuf,
  type DmaBuf,
  dmaBufGet,
  dmaBufOfProcess,
  dmaBufUsage,
  exportDmaBuf,
  importDmaBuf,
  receiveDmaBuf,
  sendDmaBuf,
} from '@linux-dma/udmabuf'
import type { Host, Runner } from '../host'
import { isInherited } from '../raw-dma-buf'
import { refusal, withoutLeaks } from '../with-device'

/** A buffer by its number: in this process, in another thread of it, in another process. */
export function dmaBufHandles({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const pid = () => Number(/^Pid:\s+(\d+)$/m.exec(kernel.readText('/proc/self/status'))![1])

  describe('dma-buf handles', () => {
    it('holds a buffer by a duplicate of the descriptor that it is given', () =>
      withoutLeaks(host, () => {
        using memory = allocateDmaMemory({ byteLength: 2 * page, kernel })
        const buffer = createUdmabuf({ memory, name: 'given' })
        using got = dmaBufGet(buffer.fd, { kernel })
        assert.notEqual(got.fd, buffer.fd)
        assert.deepEqual(
          [got.size, got.inode, got.name, got.access, got.memory, isInherited(kernel, got.fd)],
          [2 * page, buffer.inode, 'given', 'read-write', memory, false],
        )
        buffer.close()
        memory.bytes[page] = 4
        assert.equal(
          got.cpuAccess('read', (bytes) => bytes[page]),
          4,
        )
      }))

    it('knows of which memory a buffer is, however it comes back, as long as one that knows is open', () =>
      withoutLeaks(host, async () => {
        using memory = allocateDmaMemory({ byteLength: 4 * page, kernel })
        using other = allocateDmaMemory({ byteLength: page, kernel })
        const buffer = createUdmabuf({ memory, offset: page, size: 2 * page })
        using pieces = createUdmabuf({ list: [{ memory, size: page }, { memory: other }], seal: false })
        const [ours, theirs] = kernel.socketPair()
        await sendDmaBuf(ours, [buffer, pieces])
        const received = (await receiveDmaBuf(theirs, { kernel }))!.buffers
        const ways = (of: DmaBuf) => [
          dmaBufGet(of.fd, { kernel }),
          importDmaBuf(exportDmaBuf(of), { kernel }),
          dmaBufOfProcess(pid(), of.fd, { kernel }),
        ]
        const back = [received[0]!, ...ways(buffer)]
        for (const one of back) assert.deepEqual([one.memory, one.memoryOffset], [memory, page])
        for (const one of [received[1]!, ...ways(pieces)]) {
          assert.equal(one.memory, undefined, 'several pieces are of no one memory')
          assert.ok(memory.dmaBufs.has(one) && other.dmaBufs.has(one))
          one.close()
        }
        buffer.close()
        using last = dmaBufGet(back[0]!.fd, { kernel })
        assert.equal(last.memory, memory, 'one that knows is open')
        const raw = kernel.duplicate(last.fd)
        for (const one of [...back, last]) one.close()
        assert.deepEqual([...memory.dmaBufs], [pieces])
        using late = dmaBufGet(raw, { kernel })
        assert.equal(late.memory, undefined, 'none is')
        for (const fd of [raw, ours, theirs]) kernel.close(fd)
      }))

    it('knows nothing of memory that is closed, or was never here', () =>
      withoutLeaks(host, () => {
        const memory = allocateDmaMemory({ byteLength: page, kernel })
        using buffer = createUdmabuf({ memory })
        memory.close()
        using got = dmaBufGet(buffer.fd, { kernel })
        assert.equal(got.memory, undefined)
        using heap = allocateFromHeap('system', page, { kernel })
        using again = dmaBufGet(heap.fd, { kernel })
        assert.equal(again.memory, undefined)
      }))

    it('permits what the descriptor permits', () =>
      withoutLeaks(host, () => {
        using reading = allocateFromHeap('system', page, { access: 'read', kernel })
        using got = dmaBufGet(reading.fd, { kernel })
        assert.equal(got.access, 'read')
        refusal(() => got.cpuAccess('write', () => 1), 'DMA_READ_ONLY')
      }))

    it('is of a dma-buf and of nothing else', () =>
      withoutLeaks(host, () => {
        using memory = allocateDmaMemory({ byteLength: page, name: 'dmabuf:fake', kernel })
        const eventfd = kernel.eventfd()
        const error = refusal(() => dmaBufGet(memory.fd, { kernel }), 'DMA_NOT_DMA_BUF', /createUdmabuf/)
        assert.match(error.message, /memfd:dmabuf:fake/)
        refusal(() => dmaBufGet(eventfd, { kernel }), 'DMA_NOT_DMA_BUF')
        refusal(() => dmaBufGet(9999, { kernel }), 'DMA_NOT_DMA_BUF', /closed before/)
        for (const fd of [-1, 0.5, Number.NaN, '3', undefined] as never[]) {
          refusal(() => dmaBufGet(fd, { kernel }), 'DMA_INVALID_ARGUMENT')
        }
        kernel.close(eventfd)
      }))

    it('names a buffer for another thread, which has it for as long as it likes', () =>
      withoutLeaks(host, () => {
        const buffer = createUdmabuf({ size: page, kernel })
        const handle = structuredClone(exportDmaBuf(buffer))
        assert.deepEqual(handle, { fd: buffer.fd, inode: buffer.inode, size: page })
        using imported = importDmaBuf(handle, { kernel })
        using again = importDmaBuf(exportDmaBuf(imported), { kernel })
        buffer.cpuAccess('write', (bytes) => bytes.fill(3))
        buffer.close()
        for (const one of [imported, again]) {
          assert.deepEqual([one.inode, one.cpuAccess('read', (bytes) => bytes[0])], [handle.inode, 3])
        }
      }))

    it('notices that a number is of something else by now', () =>
      withoutLeaks(host, () => {
        const buffer = createUdmabuf({ size: page, kernel })
        const handle = exportDmaBuf(buffer)
        buffer.close()
        refusal(() => importDmaBuf(handle, { kernel }), 'DMA_NOT_SHARED', /keep it open/)
        // The lowest free number is given out again, sooner or later this one.
        const memfds: number[] = []
        while (memfds.at(-1) !== handle.fd) memfds.push(kernel.memfd('other', { byteLength: page }))
        const file = refusal(() => importDmaBuf(handle, { kernel }), 'DMA_NOT_SHARED')
        assert.match(file.message, /of another file/)
        for (const memfd of memfds) kernel.close(memfd)
        using other = allocateFromHeap('system', page, { kernel })
        const moved = { ...handle, fd: other.fd }
        const same = refusal(() => importDmaBuf(moved, { kernel }), 'DMA_NOT_SHARED')
        assert.match(same.message, /of another buffer/)
        refusal(() => importDmaBuf({ ...exportDmaBuf(other), size: 2 * page }, { kernel }), 'DMA_NOT_SHARED')
      }))

    it('takes no handle that nobody made', () =>
      withoutLeaks(host, () => {
        using buffer = createUdmabuf({ size: page, kernel })
        using memory = allocateDmaMemory({ byteLength: page, kernel })
        for (const what of [memory, buffer.fd, {}, null, undefined] as never[]) {
          refusal(() => exportDmaBuf(what), 'DMA_INVALID_ARGUMENT', /exportDmaMemory/)
        }
        const handle = exportDmaBuf(buffer)
        const changes = [{ fd: -1 }, { fd: 0.5 }, { inode: '5' }, { size: undefined }, { extra: 1 }]
        for (const change of changes as object[]) {
          refusal(() => importDmaBuf({ ...handle, ...change } as never, { kernel }), 'DMA_INVALID_ARGUMENT')
        }
        for (const what of [null, 7, undefined] as never[]) {
          refusal(() => importDmaBuf(what, { kernel }), 'DMA_INVALID_ARGUMENT')
        }
      }))

    it('takes a buffer out of a process by its number there', () =>
      withoutLeaks(host, () => {
        using buffer = createUdmabuf({ size: page, name: 'inside', kernel })
        using taken = dmaBufOfProcess(pid(), buffer.fd, { kernel })
        assert.deepEqual([taken.inode, taken.name], [buffer.inode, 'inside'])
        const memfd = kernel.memfd('no dma-buf', { byteLength: page })
        refusal(() => dmaBufOfProcess(pid(), memfd, { kernel }), 'DMA_NOT_DMA_BUF')
        kernel.close(memfd)
        refusal(() => dmaBufOfProcess(pid(), 9999, { kernel }), 'EBADF')
        refusal(() => dmaBufOfProcess(2 ** 22, buffer.fd, { kernel }), 'ESRCH')
        for (const [process, fd] of [
          [0, buffer.fd],
          [-1, buffer.fd],
          [1.5, buffer.fd],
          [1, -1],
        ] as const) {
          refusal(() => dmaBufOfProcess(process, fd, { kernel }), 'DMA_INVALID_ARGUMENT', /first the process/)
        }
      }))

    it('tells which buffers a process has, each counted once', () =>
      withoutLeaks(host, () => {
        const before = dmaBufUsage({ kernel })
        using first = createUdmabuf({ size: 3 * page, name: 'first', kernel })
        using second = allocateFromHeap('system', page, { kernel })
        using copy = first.duplicate()
        const expected = [
          {
            inode: first.inode,
            size: 3 * page,
            exporter: 'udmabuf',
            name: 'first',
            descriptors: [first.fd, copy.fd],
          },
          { inode: second.inode, size: page, exporter: 'system', name: undefined, descriptors: [second.fd] },
        ]
        for (const { descriptors } of expected) descriptors.sort((a, b) => a - b)
        for (const options of [{ kernel }, { kernel, pid: pid() }]) {
          const { bytes, buffers } = dmaBufUsage(options)
          assert.equal(bytes - before.bytes, 4 * page)
          const known = new Set(before.buffers.map(({ inode }) => inode))
          assert.deepEqual(
            buffers.filter(({ inode }) => !known.has(inode)).sort((a, b) => a.inode - b.inode),
            expected.sort((a, b) => a.inode - b.inode),
          )
        }
        refusal(() => dmaBufUsage({ pid: 2 ** 22, kernel }), 'ENOENT')
      }))
  })
}
