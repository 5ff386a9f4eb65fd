import assert from 'node:assert/strict'
import { allocateDmaMemory } from '@linux-dma/core'
import { POLLIN } from '@linux-dma/native'
import { allocateFromHeap, createUdmabuf, type DmaBuf, receiveDmaBuf, sendDmaBuf } from '@linux-dma/udmabuf'
import { dmaBufPrograms } from '../dma-buf-programs'
import type { Host, ProcessOutcome, Runner } from '../host'
import { endings } from '../process-endings'
import { withoutLeaks } from '../with-device'
import { until } from '../with-uio'

const text = (message: string) => new TextEncoder().encode(message)
const told = (message: Uint8Array | undefined) => new TextDecoder().decode(message)

/** Tests that take a second process. */
const titles = {
  connects: 'gives a buffer to a program in C, which sees the bytes and writes some',
  listens: 'takes a buffer from a program in C, with its name, its exporter and its bytes',
  outlives: 'leaves a buffer of several memfds to a program in C, and closes its own',
  inherits: 'takes a buffer over a socket that a program in C inherited',
  killed: 'loses a program in C, and nothing else',
  child: 'shares with another Node.js process over a path, both ways',
  descriptor: 'gives a buffer to a child by inheritance alone',
  worker: 'shares with a worker, by a message',
  punched: 'keeps another process from punching holes into its memory, where that was sealed',
  taken: 'has a buffer taken by a process that may trace it',
}

/** One buffer in several processes, of several languages. */
export function dmaBufPeer({ describe, it, skip }: Runner, host: Host): void {
  const { kernel, runProcess, runProgram } = host
  const page = kernel.pageSize
  /** A test with a buffer that nobody else holds afterwards. */
  const shared = (test: (buffer: DmaBuf) => Promise<void>) => () =>
    withoutLeaks(host, async () => {
      using buffer = createUdmabuf({ size: 2 * page, name: 'ours', kernel })
      buffer.cpuAccess('write', (bytes) => bytes.set([1, 2, 3, 4]))
      const { references } = buffer.info()
      await test(buffer)
      // The kernel closes what a process left open after its parent knows of its end.
      if (!buffer.closed) await until(kernel, () => buffer.info().references === references)
    })
  const bytesOf = (buffer: DmaBuf, offset: number, count: number) =>
    buffer.cpuAccess('read', (bytes) => [...bytes.subarray(offset, offset + count)])

  describe('dma-buf peer', () => {
    it(
      'shares within one process, over a pair of sockets',
      shared(async (buffer) => {
        const [left, right] = kernel.socketPair()
        await sendDmaBuf(left, buffer, { message: text('frame 7') })
        const { buffers, message } = (await receiveDmaBuf(right, { kernel }))!
        using received = buffers[0]!
        assert.deepEqual([buffers.length, told(message)], [1, 'frame 7'])
        assert.notEqual(received.fd, buffer.fd)
        assert.deepEqual([received.inode, received.name], [buffer.inode, 'ours'])
        received.cpuAccess('write', (bytes) => bytes.set([9], page))
        assert.deepEqual(bytesOf(buffer, page, 1), [9])
        buffer.close()
        assert.deepEqual(bytesOf(received, 0, 4), [1, 2, 3, 4])
        kernel.close(left)
        assert.equal(await receiveDmaBuf(right, { kernel }), undefined)
        kernel.close(right)
      }),
    )

    it(
      'shares within one process, over a path',
      shared(async (buffer) => {
        const path = '/tmp/dma-buf-peer'
        const listener = kernel.listen(path)
        const left = kernel.connect(path)
        await kernel.poll(listener, POLLIN)
        const right = kernel.accept(listener)
        using heap = allocateFromHeap('system', page, { kernel })
        await sendDmaBuf(left, [buffer, heap])
        const { buffers, message } = (await receiveDmaBuf(right, { kernel }))!
        assert.deepEqual(
          buffers.map(({ inode }) => inode),
          [buffer.inode, heap.inode],
        )
        assert.deepEqual(message, Uint8Array.of(0))
        for (const open of buffers) open.close()
        for (const fd of [left, right, listener]) kernel.close(fd)
        kernel.unlink(path)
      }),
    )

    if (!runProcess || !runProgram) {
      const names = [...Object.values(titles), ...Object.keys(endings).map(endingTitle)]
      for (const title of names) skip(title, 'the fake machine has no second process')
      return
    }

    /** Runs the program in C, and `test` with a connection to it. */
    const withProgram = async (
      words: readonly string[],
      test: (socket: number) => Promise<void>,
    ): Promise<ProcessOutcome> => {
      const name = '\0dma-buf-peer'
      const listener = kernel.listen(name)
      const outcome = runProgram('dma-buf-peer', ['connect', name.replace('\0', '@'), ...words])
      await kernel.poll(listener, POLLIN)
      const socket = kernel.accept(listener)
      kernel.close(listener)
      await test(socket)
      kernel.close(socket)
      return outcome
    }
    const linesOf = ({ status, output }: ProcessOutcome) => {
      assert.equal(status, 0, output)
      return output.trim().split('\n')
    }

    it(
      titles.connects,
      shared(async (buffer) => {
        const words = ['receive', 'read', '0', '6', 'write', '4098', 'c0ffee', 'wait']
        const outcome = await withProgram(words, (socket) =>
          sendDmaBuf(socket, buffer, { message: text('take this') }),
        )
        assert.deepEqual(linesOf(outcome).slice(1), [
          "receive: 1 of 8192 bytes, 'take this'",
          'read: 010203040000',
          'write: 3',
          'wait: the other side has closed',
        ])
        assert.deepEqual(bytesOf(buffer, 4096, 6), [0, 0, 0xc0, 0xff, 0xee, 0])
      }),
    )

    it(titles.listens, () =>
      withoutLeaks(host, async () => {
        const path = '/tmp/dma-buf-peer'
        const words = ['heap', 'system', '5000', 'name', 'theirs', 'write', '4095', 'abcd', 'send', 'mine']
        const outcome = runProgram('dma-buf-peer', ['listen', path, ...words, 'wait', 'read', '0', '2'])
        let socket = -1
        await until(kernel, () => {
          try {
            if (socket < 0) socket = kernel.connect(path)
          } catch (error) {
            assert.match((error as { code: string }).code, /ENOENT|ECONNREFUSED/)
          }
          return socket >= 0
        })
        const { buffers, message } = (await receiveDmaBuf(socket, { kernel }))!
        using buffer = buffers[0]!
        const { exporter, name, access } = buffer.info()
        assert.deepEqual(
          [told(message), buffer.size, exporter, name, access],
          ['mine', 8192, 'system', 'theirs', 'read-write'],
        )
        assert.deepEqual(bytesOf(buffer, 4094, 4), [0, 0xab, 0xcd, 0])
        buffer.cpuAccess('write', (bytes) => bytes.set([0xbe, 0xef]))
        kernel.close(socket)
        kernel.unlink(path)
        assert.equal(linesOf(await outcome).at(-1), 'read: beef')
      }),
    )

    it(titles.outlives, () =>
      withoutLeaks(host, async () => {
        const outcome = await withProgram(
          ['receive', 'wait', 'read', '4094', '4', 'read', '0', '1'],
          async (socket) => {
            using first = allocateDmaMemory({ byteLength: page, kernel })
            using second = allocateDmaMemory({ byteLength: 2 * page, kernel })
            const list = [{ memory: second, offset: page, size: page }, { memory: first }]
            using buffer = createUdmabuf({ list, kernel })
            second.bytes.set([1, 2], 2 * page - 2)
            first.bytes.set([3, 4])
            second.bytes[page] = 5
            await sendDmaBuf(socket, buffer)
          },
        )
        assert.deepEqual(linesOf(outcome).slice(-2), ['read: 01020304', 'read: 05'])
      }),
    )

    it(titles.inherits, () =>
      withoutLeaks(host, async () => {
        const [ours, theirs] = kernel.socketPair()
        const words = ['inherited', 'heap', 'system', '4096', 'write', '0', '2a', 'send', 'mine', 'wait']
        const outcome = runProgram('dma-buf-peer', words, { descriptors: [theirs] })
        kernel.close(theirs)
        const { buffers } = (await receiveDmaBuf(ours, { kernel }))!
        using buffer = buffers[0]!
        kernel.close(ours)
        assert.equal(linesOf(await outcome).at(-1), 'wait: the other side has closed')
        assert.deepEqual(bytesOf(buffer, 0, 1), [0x2a])
      }),
    )

    it(
      titles.killed,
      shared(async (buffer) => {
        const outcome = await withProgram(['receive', 'write', '0', '63', 'kill'], async (socket) => {
          await sendDmaBuf(socket, buffer)
          assert.equal(await receiveDmaBuf(socket, { kernel }), undefined)
        })
        assert.equal(outcome.signal, 'SIGKILL')
        assert.deepEqual(bytesOf(buffer, 0, 2), [0x63, 2])
      }),
    )

    it(
      titles.child,
      shared(async (buffer) => {
        const path = '/tmp/dma-buf-peer'
        const listener = kernel.listen(path)
        const child = runProcess(dmaBufPrograms.overPath(path))
        await kernel.poll(listener, POLLIN)
        const socket = kernel.accept(listener)
        await sendDmaBuf(socket, buffer, { message: text('to the child') })
        const { buffers, message } = (await receiveDmaBuf(socket, { kernel }))!
        using theirs = buffers[0]!
        assert.deepEqual([theirs.name, told(message)], ['of the child', 'to the parent'])
        assert.deepEqual(bytesOf(theirs, 0, 4), [4, 3, 2, 1])
        for (const fd of [socket, listener]) kernel.close(fd)
        kernel.unlink(path)
        assert.deepEqual(linesOf(await child), ['to the child: 1,2,3,4'])
        assert.deepEqual(bytesOf(buffer, page, 1), [0x77])
      }),
    )

    it(
      titles.descriptor,
      shared(async (buffer) => {
        const outcome = await runProcess(dmaBufPrograms.inherited, { descriptors: [buffer.fd] })
        assert.deepEqual(linesOf(outcome), ['ours: 1,2,3,4'])
        assert.deepEqual(bytesOf(buffer, 0, 2), [0x55, 2])
      }),
    )

    it(titles.worker, () =>
      withoutLeaks(host, async () => {
        assert.deepEqual(linesOf(await runProcess(dmaBufPrograms.worker)), ['the worker wrote 88'])
      }),
    )

    it(titles.punched, () =>
      withoutLeaks(host, async () => {
        using memory = allocateDmaMemory({ byteLength: page, kernel })
        const punch = async () => {
          const path = `/proc/${process.pid}/fd/${memory.fd}`
          return linesOf(await runProgram('dma-buf-raw', ['punch', path, '0', '4096']))
        }
        using open = createUdmabuf({ memory, seal: false, kernel })
        memory.bytes[0] = 5
        assert.deepEqual(await punch(), ['punch\tOK(0)'])
        assert.deepEqual([memory.bytes[0], ...bytesOf(open, 0, 1)], [0, 5], 'they have come apart')
        using sealed = createUdmabuf({ memory, kernel })
        memory.bytes[0] = 6
        assert.deepEqual(await punch(), ['punch\tEPERM'])
        assert.deepEqual([memory.bytes[0], ...bytesOf(sealed, 0, 1)], [6, 6])
      }),
    )

    it(
      titles.taken,
      shared(async (buffer) => {
        const outcome = await runProcess(dmaBufPrograms.byProcess(buffer.fd))
        assert.deepEqual(linesOf(outcome), ['ours: 1,2,3,4'])
        assert.deepEqual(bytesOf(buffer, 0, 2), [0x66, 2])
      }),
    )

    for (const [name, { source, outcome }] of Object.entries(endings)) {
      it(
        endingTitle(name),
        shared(async (buffer) => {
          const [ours, theirs] = kernel.socketPair()
          const child = runProcess(dmaBufPrograms.busy + source, { descriptors: [buffer.fd, theirs] })
          kernel.close(theirs)
          assert.equal(await receiveDmaBuf(ours, { kernel }), undefined)
          const { status, signal, output } = await child
          assert.deepEqual([status, signal], outcome, output)
          kernel.close(ours)
          assert.deepEqual(bytesOf(buffer, 0, 2), [0x44, 2])
        }),
      )
    }
  })
}

function endingTitle(name: string): string {
  return `is left alone by a process in the middle of an access, by ${name}`
}
