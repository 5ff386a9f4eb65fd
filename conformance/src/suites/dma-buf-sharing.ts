import assert from 'node:assert/strict'
import { allocateDmaMemory } from '@linux-dma/core'
import { acceptPeer, allocateFromHeap, createUdmabuf, type DmaBuf, sendDmaBuf } from '@linux-dma/udmabuf'
import { alteredKernel } from '../altered-kernel'
import { overSockets } from '../dma-buf-sockets'
import { settle } from '../edu'
import type { Host, Runner } from '../host'
import { isInherited } from '../raw-dma-buf'
import { SOCKET_TYPES } from '../sockets'
import { refusal, withoutLeaks } from '../with-device'

const ONE = Uint8Array.of(1)

/** Buffers over UNIX sockets: what arrives, in which order, and what is left where it goes wrong. */
export function dmaBufSharing({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const { receive, overBoth, overMessages } = overSockets(host)
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
  const bytes = (message: string) => new TextEncoder().encode(message)

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
        const otherKernel = alteredKernel(kernel, {})
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
            [() => send(buffer, { kernel: otherKernel }), 'DMA_WRONG_KERNEL'],
            [() => send(buffer, { kernel: { ...kernel } }), 'DMA_INVALID_ARGUMENT'],
            [() => send([], { message: ONE }), 'DMA_INVALID_ARGUMENT'],
            [() => receive(theirs, { kernel: {} }), 'DMA_INVALID_ARGUMENT'],
            [() => receive(buffer.fd), 'ENOTSOCK'],
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
        const server = await acceptPeer(listener, { kernel })
        using buffer = createUdmabuf({ size: page, kernel })
        await sendDmaBuf(server, buffer)
        const got = await receive(client)
        assert.equal(got!.buffers[0]!.inode, buffer.inode)
        got!.buffers[0]!.close()
        for (const socket of [server, client, listener]) kernel.close(socket)
      }))

    it('accepts who connects, one after the other, and gives up by a signal', () =>
      withoutLeaks(host, async () => {
        for (const type of SOCKET_TYPES) {
          const path = `\0linux-dma accepting ${type}`
          const listener = kernel.listen(path, { type })
          const accept = (options = {}) => acceptPeer(listener, { kernel, ...options })
          const waiting = [accept(), accept()]
          await settle(kernel)
          const clients = [kernel.connect(path, { type }), kernel.connect(path, { type })]
          const servers = await Promise.all(waiting)
          assert.equal(new Set(servers).size, 2)
          const reason = new Error('nobody comes')
          const abort = new AbortController()
          const third = assert.rejects(accept({ signal: abort.signal }), (error) => error === reason)
          abort.abort(reason)
          await third
          await assert.rejects(acceptPeer(clients[0]!, { kernel }), { code: 'EINVAL' })
          const code = type === 'stream' ? 'EINVAL' : 'ENOTCONN'
          await assert.rejects(receive(listener), { code, hint: /acceptPeer/ })
          await assert.rejects(accept({ signal: {} }), { code: 'DMA_INVALID_ARGUMENT' })
          await assert.rejects(accept({ backlog: 1 }), { code: 'DMA_INVALID_ARGUMENT' })
          for (const socket of [...servers, ...clients, listener]) kernel.close(socket)
        }
      }))
  })
}
