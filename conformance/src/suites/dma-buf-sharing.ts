import assert from 'node:assert/strict'
import { allocateDmaMemory, type Kernel } from '@linux-dma/core'
import { POLLIN } from '@linux-dma/native'
import { allocateFromHeap, createUdmabuf, type DmaBuf, receiveDmaBuf, sendDmaBuf } from '@linux-dma/udmabuf'
import { settle } from '../edu'
import type { Host, Runner } from '../host'
import { isInherited } from '../raw-dma-buf'
import { refusal, withoutLeaks } from '../with-device'

const ONE = Uint8Array.of(1)

/** Buffers over UNIX sockets: what arrives, in which order, and what is left where it goes wrong. */
export function dmaBufSharing({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
  const bytes = (message: string) => new TextEncoder().encode(message)
  const receive = (socket: number, options = {}) => receiveDmaBuf(socket, { kernel, ...options })
  const closing = (sockets: readonly number[]) => {
    for (const socket of sockets) kernel.close(socket)
  }

  /** Runs a test over a pair of each kind, messages and streams; `hangUp` closes one of the two early. */
  const overBoth =
    (test: (ours: number, theirs: number, hangUp: (socket: number) => void) => void | Promise<void>) =>
    async () => {
      for (const connect of [() => kernel.socketPair(), () => streamPair(kernel)]) {
        await withoutLeaks(host, async () => {
          const sockets = connect()
          const open = new Set(sockets)
          await test(...sockets, (socket) => {
            open.delete(socket)
            kernel.close(socket)
          })
          closing([...open])
        })
      }
    }
  /** The same over messages alone, with a buffer to send. */
  const overMessages = (test: (buffer: DmaBuf, ours: number, theirs: number) => void | Promise<void>) => () =>
    withoutLeaks(host, async () => {
      const sockets = kernel.socketPair()
      using buffer = createUdmabuf({ size: page, kernel })
      await test(buffer, ...sockets)
      closing(sockets)
    })

  describe('dma-buf sharing', () => {
    it(
      'gives the other side the same buffer, with a descriptor and a life of its own',
      overBoth(async (ours, theirs) => {
        using memory = allocateDmaMemory({ byteLength: 2 * page, kernel })
        const sent = createUdmabuf({ memory, name: 'frame 7' })
        memory.bytes[page] = 5
        await sendDmaBuf(ours, sent, { message: bytes('{"width":640}') })
        const { inode } = sent
        sent.close()
        const got = await receive(theirs)
        assert.equal(text(got!.message), '{"width":640}')
        const [received, ...rest] = got!.buffers
        using buffer = received!
        assert.equal(rest.length, 0)
        assert.deepEqual(
          [buffer.size, buffer.inode, buffer.name, buffer.access, isInherited(kernel, buffer.fd)],
          [2 * page, inode, 'frame 7', 'read-write', false],
        )
        buffer.cpuAccess('read-write', (view) => {
          assert.equal(view[page], 5)
          view[0] = 6
        })
        assert.equal(memory.bytes[0], 6)
      }),
    )

    it(
      'keeps the order, of the buffers in a message and of the messages',
      overBoth(async (ours, theirs) => {
        const buffers = Array.from({ length: 6 }, (_, index) =>
          createUdmabuf({ size: (index + 1) * page, kernel }),
        )
        await sendDmaBuf(ours, buffers.slice(0, 3), { message: bytes('first') })
        await sendDmaBuf(ours, buffers.slice(3, 5), { message: bytes('second') })
        await sendDmaBuf(ours, buffers[5]!)
        for (const expected of [
          ['first', 1, 2, 3],
          ['second', 4, 5],
          ['\0', 6],
        ]) {
          const got = await receive(theirs)
          assert.deepEqual([text(got!.message), ...got!.buffers.map(({ size }) => size / page)], expected)
          for (const buffer of got!.buffers) buffer.close()
        }
        for (const buffer of buffers) buffer.close()
      }),
    )

    it(
      'carries what may only be read as that, and 253 buffers in one message',
      overBoth(async (ours, theirs) => {
        const reading = allocateFromHeap('system', page, { access: 'read', kernel })
        const many = Array.from({ length: 252 }, () => reading.duplicate())
        await sendDmaBuf(ours, [reading, ...many])
        const got = await receive(theirs)
        assert.equal(got!.buffers.length, 253)
        for (const buffer of got!.buffers) {
          assert.deepEqual([buffer.access, buffer.inode], ['read', reading.inode])
          buffer.close()
        }
        await assert.rejects(sendDmaBuf(ours, [reading, reading, ...many]), {
          code: 'DMA_INVALID_ARGUMENT',
        })
        for (const buffer of [reading, ...many]) buffer.close()
      }),
    )

    it(
      'waits until something comes, and gives up by a signal',
      overBoth(async (ours, theirs) => {
        const reason = new Error('no more')
        const abort = new AbortController()
        const waiting = receive(theirs, { signal: abort.signal })
        abort.abort(reason)
        await assert.rejects(waiting, (error) => error === reason)
        const late = receive(theirs, { signal: AbortSignal.abort(reason) })
        await assert.rejects(late, (error) => error === reason)
        const next = receive(theirs)
        await settle(kernel)
        await sendDmaBuf(ours, [], { message: ONE, kernel })
        assert.deepEqual(await next, { buffers: [], message: ONE })
      }),
    )

    it(
      'says when the other side has closed, after all that it sent',
      overBoth(async (ours, theirs, hangUp) => {
        using buffer = createUdmabuf({ size: page, kernel })
        await sendDmaBuf(ours, buffer)
        const got = await receive(theirs)
        for (const received of got!.buffers) received.close()
        const waiting = receive(theirs)
        await sendDmaBuf(ours, buffer)
        hangUp(ours)
        for (const received of (await waiting)!.buffers) received.close()
        assert.equal(await receive(theirs), undefined)
        assert.equal(await receive(theirs), undefined)
        await assert.rejects(sendDmaBuf(theirs, buffer), { code: 'EPIPE' })
      }),
    )

    it(
      'says when the other side has closed with something unread',
      overBoth(async (ours, theirs, hangUp) => {
        using buffer = createUdmabuf({ size: page, kernel })
        await sendDmaBuf(ours, buffer)
        const waiting = assert.rejects(receive(ours), { code: 'ECONNRESET' })
        hangUp(theirs)
        await waiting
        await assert.rejects(sendDmaBuf(ours, buffer), { code: 'EPIPE' })
      }),
    )

    it(
      'waits for room, and gives up by a signal with nothing sent',
      overMessages(async (buffer, ours, theirs) => {
        const count = fillUp(kernel, ours)
        const reason = new Error('too slow')
        const abort = new AbortController()
        const waiting = sendDmaBuf(ours, buffer, { signal: abort.signal })
        await settle(kernel)
        abort.abort(reason)
        await assert.rejects(waiting, (error) => error === reason)
        const patient = sendDmaBuf(ours, buffer, { message: bytes('at last') })
        for (let index = 0; index < count; index++) {
          const got = await receive(theirs, { byteLength: 65536 })
          assert.deepEqual([got!.buffers.length, got!.message[0]], [0, 9])
        }
        await patient
        const got = await receive(theirs)
        assert.equal(text(got!.message), 'at last')
        for (const received of got!.buffers) received.close()
      }),
    )

    it(
      'sends while it waits for something to come, and for several at once',
      overMessages(async (buffer, ours, theirs) => {
        const count = fillUp(kernel, ours)
        const answer = receive(ours)
        const waiting = [1, 2].map((message) => sendDmaBuf(ours, buffer, { message: Uint8Array.of(message) }))
        await settle(kernel)
        for (let index = 0; index < count; index++) await receive(theirs, { byteLength: 65536 })
        await Promise.all(waiting)
        const seen: number[] = []
        for (let index = 0; index < 2; index++) {
          const got = await receive(theirs)
          seen.push(got!.message[0]!)
          for (const received of got!.buffers) received.close()
        }
        assert.deepEqual(seen.sort(), [1, 2])
        kernel.sendMessage(theirs, ONE)
        assert.deepEqual((await answer)!.message, ONE)
      }),
    )

    it('sends a message that is longer than a stream has room for, whole, with its buffers at its start', () =>
      withoutLeaks(host, async () => {
        const [ours, theirs] = streamPair(kernel)
        using buffer = createUdmabuf({ size: page, kernel })
        const message = new Uint8Array(1_000_000)
        message.forEach((_, index) => {
          message[index] = (index * 7) & 0xff
        })
        const sending = sendDmaBuf(ours, buffer, { message })
        const parts: Uint8Array[] = []
        const counts: number[] = []
        for (let length = 0; length < message.length; ) {
          const got = await receive(theirs, { byteLength: 100_000 })
          parts.push(got!.message)
          counts.push(got!.buffers.length)
          length += got!.message.length
          for (const received of got!.buffers) received.close()
        }
        await sending
        assert.ok(Buffer.concat(parts).equals(message))
        assert.deepEqual([counts[0], Math.max(0, ...counts.slice(1))], [1, 0])
        closing([ours, theirs])
      }))

    it(
      'takes nothing but dma-bufs, and closes all that came with something else',
      overBoth(async (ours, theirs) => {
        using first = createUdmabuf({ size: page, kernel })
        using second = createUdmabuf({ size: page, kernel })
        const memfd = kernel.memfd('no dma-buf', { byteLength: page })
        for (const descriptors of [
          [memfd],
          [memfd, first.fd, second.fd],
          [first.fd, memfd, second.fd],
          [first.fd, second.fd, memfd],
          [memfd, memfd],
        ]) {
          const before = kernel.live()
          kernel.sendMessage(ours, ONE, descriptors)
          await assert.rejects(receive(theirs), { code: 'DMA_NOT_DMA_BUF', message: /no dma-buf/ })
          assert.deepEqual(kernel.live(), before)
        }
        await sendDmaBuf(ours, first)
        const got = await receive(theirs)
        assert.equal(got!.buffers[0]!.inode, first.inode, 'the next message is not harmed')
        got!.buffers[0]!.close()
        kernel.close(memfd)
      }),
    )

    it(
      'leaves nothing of a message that is too long',
      overMessages(async (buffer, ours, theirs) => {
        await sendDmaBuf(ours, [buffer, buffer], { message: bytes('longer than four') })
        const before = kernel.live()
        await assert.rejects(receive(theirs, { byteLength: 4 }), { code: 'EMSGSIZE' })
        assert.deepEqual(kernel.live(), before)
        await assert.rejects(sendDmaBuf(ours, buffer, { message: new Uint8Array(2 ** 22) }), {
          code: 'EMSGSIZE',
        })
      }),
    )

    it(
      'leaves nothing of what was never received',
      overBoth(async (ours) => {
        const buffer = createUdmabuf({ size: page, kernel })
        for (let index = 0; index < 20; index++) await sendDmaBuf(ours, [buffer, buffer])
        buffer.close()
      }),
    )

    it(
      'refuses what cannot be sent, before anything is',
      overMessages(async (buffer, ours, theirs) => {
        const closed = createUdmabuf({ size: page, kernel })
        closed.close()
        const send = (what: unknown, options?: object) => sendDmaBuf(ours, what as DmaBuf, options)
        for (const [index, [sending, code]] of (
          [
            [() => send(closed), 'DMA_CLOSED'],
            [() => send([buffer, closed]), 'DMA_CLOSED'],
            [() => send(buffer.fd), 'DMA_INVALID_ARGUMENT'],
            [() => send([buffer, undefined]), 'DMA_INVALID_ARGUMENT'],
            [() => send(buffer, { message: new Uint8Array(0) }), 'DMA_INVALID_ARGUMENT'],
            [() => send(buffer, { message: 'text' }), 'DMA_INVALID_ARGUMENT'],
            [() => send([], { kernel, message: 'text' }), 'DMA_INVALID_ARGUMENT'],
            [() => send(buffer, { mesage: ONE }), 'DMA_INVALID_ARGUMENT'],
            [() => send(buffer, { kernel: { ...kernel } }), 'DMA_WRONG_KERNEL'],
            [() => send(buffer, { signal: {} }), 'DMA_INVALID_ARGUMENT'],
            [() => receive(theirs, { byteLength: 0 }), 'DMA_INVALID_ARGUMENT'],
            [() => receive(theirs, { size: 1 }), 'DMA_INVALID_ARGUMENT'],
            [() => sendDmaBuf(buffer.fd, buffer), 'ENOTSOCK'],
          ] as const
        ).entries()) {
          await assert.rejects(sending, { code }, `row ${index}`)
        }
        refusal(() => kernel.receiveMessage(theirs, new Uint8Array(8)), 'EAGAIN')
      }),
    )

    it('comes to who listens at a path, from who connects to it', () =>
      withoutLeaks(host, async () => {
        const path = '\0linux-dma sharing'
        const listener = kernel.listen(path, { type: 'seqpacket' })
        const client = kernel.connect(path, { type: 'seqpacket' })
        await kernel.poll(listener, POLLIN)
        const server = kernel.accept(listener)
        using buffer = createUdmabuf({ size: page, kernel })
        await sendDmaBuf(server, buffer)
        const got = await receive(client)
        assert.equal(got!.buffers[0]!.inode, buffer.inode)
        got!.buffers[0]!.close()
        closing([server, client, listener])
      }))
  })
}

/** Two ends of a stream. */
function streamPair(kernel: Kernel): [number, number] {
  const path = '\0linux-dma stream'
  const listener = kernel.listen(path)
  try {
    const client = kernel.connect(path)
    return [client, kernel.accept(listener)]
  } finally {
    kernel.close(listener)
  }
}

/** Sends until there is no room. @returns the number of messages, which begin with 9 */
function fillUp(kernel: Kernel, socket: number): number {
  const message = new Uint8Array(16_384)
  message[0] = 9
  for (let count = 0; ; count++) {
    try {
      kernel.sendMessage(socket, message)
    } catch (error) {
      assert.equal((error as { code: string }).code, 'EAGAIN')
      return count
    }
  }
}
