import assert from 'node:assert/strict'
import { POLLERR, POLLHUP, POLLIN, POLLOUT } from '@linux-dma/native'
import type { Host, Runner } from '../host'
import { connected, SOCKET_TYPES, socketPlace, take } from '../sockets'
import { refusal, withoutLeaks } from '../with-device'
import { outcome } from '../with-uio'

/** What goes over a connection: bytes and descriptors, in which order, how much, and up to which end. */
export function kernelSocketMessages({ describe, it }: Runner, host: Host): void {
  const { kernel } = host
  const place = socketPlace(host)

  describe('kernel socket messages', () => {
    for (const type of SOCKET_TYPES) {
      it(`tells of an end that was closed with something unread: ${type}`, () =>
        withoutLeaks(host, async () => {
          const { near, far } = connected(kernel, type, place)
          kernel.sendMessage(far, new Uint8Array([7, 7]))
          kernel.sendMessage(near, new Uint8Array([8]))
          kernel.close(far)
          const ended = POLLIN | POLLOUT | POLLHUP
          assert.equal(await kernel.poll(near, POLLIN | POLLOUT), ended | POLLERR)
          if (type === 'stream') {
            refusal(() => kernel.sendMessage(near, new Uint8Array([8])), 'EPIPE')
            assert.equal(take(kernel, near).text, '77')
            refusal(() => take(kernel, near), 'ECONNRESET')
          } else {
            refusal(() => kernel.sendMessage(near, new Uint8Array([8])), 'ECONNRESET')
            assert.equal(take(kernel, near).text, '77')
          }
          assert.equal(await kernel.poll(near, POLLIN | POLLOUT), ended)
          assert.equal(take(kernel, near).text, '')
          refusal(() => kernel.sendMessage(near, new Uint8Array([8])), 'EPIPE')
          kernel.close(near)
        }))

      it(`tells of an end that was closed when all was read: ${type}`, () =>
        withoutLeaks(host, async () => {
          const { near, far } = connected(kernel, type, place)
          kernel.sendMessage(far, new Uint8Array([7]))
          kernel.close(far)
          assert.equal(await kernel.poll(near, POLLIN), POLLIN | POLLHUP)
          refusal(() => kernel.sendMessage(near, new Uint8Array([8])), 'EPIPE')
          assert.equal(take(kernel, near).text, '7')
          assert.equal(take(kernel, near).text, '')
          kernel.close(near)
        }))

      it(`takes no more than there is room for, and tells when there is again: ${type}`, () =>
        withoutLeaks(host, async () => {
          const { near, far } = connected(kernel, type, place)
          const message = new Uint8Array(1000)
          let sent = 0
          while (typeof outcome(() => kernel.sendMessage(near, message)) === 'number') sent++
          assert.equal(
            outcome(() => kernel.sendMessage(near, message)),
            'EAGAIN',
          )
          assert.ok(sent > 20, `${sent} were sent`)
          const writable = kernel.poll(near, POLLOUT)
          const bytes = new Uint8Array(1000)
          for (let read = 0; read < sent; read++) {
            assert.equal(kernel.receiveMessage(far, bytes).byteLength, 1000)
          }
          assert.equal(await writable, POLLOUT)
          refusal(() => kernel.receiveMessage(far, bytes), 'EAGAIN')
          kernel.close(near)
          kernel.close(far)
        }))
    }

    it('glues what a stream carries, and never the descriptors of two messages', () =>
      withoutLeaks(host, () => {
        const { near, far } = connected(kernel, 'stream', place)
        const [first, second] = [kernel.eventfd(1), kernel.eventfd(2)]
        const send = (value: number, count: number, descriptors: number[] = []) =>
          kernel.sendMessage(near, new Uint8Array(count).fill(value), descriptors)
        send(1, 2)
        send(2, 3)
        send(3, 2, [first])
        send(4, 2, [first, second])
        send(5, 2)
        send(6, 1)
        assert.equal(take(kernel, far, 3).text, '112')
        const came = [take(kernel, far), take(kernel, far), take(kernel, far)]
        assert.deepEqual(
          came.map(({ text, descriptors }) => [text, descriptors.length]),
          [
            ['2233', 1],
            ['44', 2],
            ['556', 0],
          ],
        )
        const counts = came.flatMap(({ descriptors }) => descriptors)
        kernel.read(counts[0]!, new Uint8Array(8))
        // The same counter as the one that came before it.
        refusal(() => kernel.read(counts[1]!, new Uint8Array(8)), 'EAGAIN')
        // Descriptors come with the first byte of theirs that is read.
        send(3, 4, [first])
        send(4, 2)
        const parts = [take(kernel, far, 2), take(kernel, far)]
        assert.deepEqual(
          parts.map(({ text, descriptors }) => [text, descriptors.length]),
          [
            ['33', 1],
            ['3344', 0],
          ],
        )
        // read(2) lets them go.
        send(1, 2, [first])
        assert.equal(kernel.read(far, new Uint8Array(8)), 2)
        for (const fd of [near, far, first, second, ...counts, ...parts[0]!.descriptors]) kernel.close(fd)
      }))

    it('sends a part of what is too much for a stream, and descriptors with the first byte', () =>
      withoutLeaks(host, () => {
        const { near, far } = connected(kernel, 'stream', place)
        const fd = kernel.eventfd()
        const large = new Uint8Array(4 << 20).fill(1)
        const sent = kernel.sendMessage(near, large, [fd])
        assert.ok(sent > 0 && sent < large.byteLength, `${sent} bytes were sent`)
        refusal(() => kernel.sendMessage(near, large, [fd]), 'EAGAIN')
        const answer = new Uint8Array(large.byteLength)
        const head = kernel.receiveMessage(far, answer)
        assert.equal(head.descriptors.length, 1)
        let received = head.byteLength
        while (received < sent) {
          const { byteLength, descriptors } = kernel.receiveMessage(far, answer.subarray(received))
          assert.equal(descriptors.length, 0)
          received += byteLength
        }
        assert.deepEqual(answer.subarray(0, received), large.subarray(0, sent))
        for (const open of [near, far, fd, ...head.descriptors]) kernel.close(open)
      }))

    it('keeps the messages of a seqpacket apart, and refuses one that no buffer holds', () =>
      withoutLeaks(host, () => {
        const { near, far } = connected(kernel, 'seqpacket', place)
        kernel.sendMessage(near, new Uint8Array([1, 1]), [near, near])
        kernel.sendMessage(near, new Uint8Array([2, 2, 2]))
        kernel.sendMessage(near, new Uint8Array([3]))
        const { text, descriptors } = take(kernel, far)
        assert.deepEqual([text, descriptors.length], ['11', 2])
        const before = kernel.live().descriptors
        refusal(() => take(kernel, far, 2), 'EMSGSIZE', /more/)
        assert.equal(kernel.live().descriptors, before)
        assert.equal(take(kernel, far).text, '3')
        refusal(() => kernel.sendMessage(near, new Uint8Array(4 << 20)), 'EMSGSIZE')
        for (const fd of [near, far, ...descriptors]) kernel.close(fd)
      }))
  })
}
