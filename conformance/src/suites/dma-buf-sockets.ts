import assert from 'node:assert/strict'
import { createUdmabuf, sendDmaBuf } from '@linux-dma/udmabuf'
import { fillUp, overSockets, streamPair } from '../dma-buf-sockets'
import { settle } from '../edu'
import type { Host, Runner } from '../host'
import { withoutLeaks } from '../with-device'

const ONE = Uint8Array.of(1)

/** Two ends of a socket that send and receive at once: who waits for what, in which order, and until when. */
export function dmaBufSockets({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const page = kernel.pageSize
  const { receive, receiveBytes, overBoth, overMessages } = overSockets(host)
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
  const bytes = (message: string) => new TextEncoder().encode(message)

  describe('dma-buf sockets', () => {
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
        const { bytes: received, positions } = await receiveBytes(theirs, message.length)
        await sending
        assert.ok(received.equals(message))
        assert.deepEqual(positions, [0])
        for (const socket of [ours, theirs]) kernel.close(socket)
      }))

    it(
      'goes both ways at once',
      overBoth(async (ours, theirs) => {
        using buffer = createUdmabuf({ size: page, kernel })
        const count = 40
        const message = (value: number) => new Uint8Array(30_000).fill(value)
        // More than there is room for, either way: each end waits for room and for bytes at the same time.
        const exchange = async (socket: number, value: number) => {
          const sending = (async () => {
            for (let index = 0; index < count; index++) {
              await sendDmaBuf(socket, buffer, { message: message(value) })
            }
          })()
          const received = await receiveBytes(socket, count * 30_000)
          await sending
          return received
        }
        const [first, second] = await Promise.all([exchange(ours, 1), exchange(theirs, 2)])
        assert.ok(first.bytes.every((byte) => byte === 2) && second.bytes.every((byte) => byte === 1))
        assert.deepEqual([first.positions.length, second.positions.length], [count, count])
      }),
    )

    it('sends messages of a stream that are sent at once one after the other, whole', () =>
      withoutLeaks(host, async () => {
        const [ours, theirs] = streamPair(kernel)
        using buffer = createUdmabuf({ size: page, kernel })
        const lengths = [700_000, 1, 600_000, 10]
        const sending = lengths.map((length, index) =>
          sendDmaBuf(ours, buffer, { message: new Uint8Array(length).fill(index + 1) }),
        )
        const { bytes, positions } = await receiveBytes(theirs, 1_300_011)
        await Promise.all(sending)
        const expected = Buffer.concat(lengths.map((length, index) => Buffer.alloc(length, index + 1)))
        assert.ok(bytes.equals(expected))
        assert.equal(positions.length, lengths.length)
        for (const socket of [ours, theirs]) kernel.close(socket)
      }))

    it('lets one that waits its turn give up, with nothing of it sent', () =>
      withoutLeaks(host, async () => {
        const [ours, theirs] = streamPair(kernel)
        using buffer = createUdmabuf({ size: page, kernel })
        const reason = new Error('too slow')
        const abort = new AbortController()
        const first = sendDmaBuf(ours, buffer, { message: new Uint8Array(1_000_000).fill(1) })
        const second = sendDmaBuf(ours, buffer, {
          message: new Uint8Array(500_000).fill(2),
          signal: abort.signal,
        })
        const third = sendDmaBuf(ours, buffer, { message: Uint8Array.of(3) })
        await settle(kernel)
        const gaveUp = assert.rejects(second, (error) => error === reason)
        abort.abort(reason)
        await gaveUp
        const { bytes, positions } = await receiveBytes(theirs, 1_000_001)
        await Promise.all([first, third])
        assert.deepEqual([bytes.indexOf(2), bytes.indexOf(3), positions.length], [-1, 1_000_000, 2])
        for (const socket of [ours, theirs]) kernel.close(socket)
      }))

    it('goes on with the next message where one cannot be sent', () =>
      withoutLeaks(host, async () => {
        const [ours, theirs] = kernel.socketPair()
        using buffer = createUdmabuf({ size: page, kernel })
        const tooLong = sendDmaBuf(ours, buffer, { message: new Uint8Array(2 ** 22) })
        const next = sendDmaBuf(ours, buffer, { message: ONE })
        await assert.rejects(tooLong, { code: 'EMSGSIZE' })
        await next
        const { bytes } = await receiveBytes(theirs, 1)
        assert.deepEqual([...bytes], [1])
        for (const socket of [ours, theirs]) kernel.close(socket)
      }))

    it(
      'passes over an empty message, which is no end',
      overMessages(async (buffer, ours, theirs) => {
        // Nothing but write(2) sends one.
        kernel.write(ours, new Uint8Array(0))
        await sendDmaBuf(ours, buffer, { message: bytes('after it') })
        const got = await receive(theirs)
        assert.deepEqual([text(got!.message), got!.buffers.length], ['after it', 1])
        got!.buffers[0]!.close()
        kernel.write(ours, new Uint8Array(0))
        const waiting = receive(theirs)
        await settle(kernel)
        await sendDmaBuf(ours, [], { message: ONE, kernel })
        assert.deepEqual((await waiting)!.message, ONE)
      }),
    )

    it(
      'says that the other side has closed after an empty message, too',
      overBoth(async (ours, theirs, hangUp) => {
        kernel.write(ours, new Uint8Array(0))
        hangUp(ours)
        assert.equal(await receive(theirs), undefined)
      }),
    )

    it(
      'leaves timers and signals their turn, however much the other side says',
      overBoth(async (ours, theirs) => {
        const reason = new Error('time is up')
        const abort = new AbortController()
        const timer = setTimeout(() => abort.abort(reason), 0)
        let received = 0
        const listen = async () => {
          for (; received < 100_000; received++) {
            // There is always one more to come.
            kernel.sendMessage(ours, ONE)
            await receive(theirs, { signal: abort.signal })
          }
        }
        await assert.rejects(listen(), (error) => error === reason, `${received} messages came`)
        clearTimeout(timer)
        // What was sent last may be there still, or not.
        await receive(theirs)
      }),
    )

    it(
      'leaves them their turn while it sends, too',
      overBoth(async (ours, theirs) => {
        const reason = new Error('time is up')
        const abort = new AbortController()
        const timer = setTimeout(() => abort.abort(reason), 0)
        let sent = 0
        const talk = async () => {
          for (; sent < 100_000; sent++) {
            await sendDmaBuf(ours, [], { message: ONE, kernel, signal: abort.signal })
            kernel.receiveMessage(theirs, new Uint8Array(8))
          }
        }
        await assert.rejects(talk(), (error) => error === reason, `${sent} messages went`)
        clearTimeout(timer)
      }),
    )
  })
}
