import assert from 'node:assert/strict'
import { POLLIN } from '@linux-dma/native'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'

/** Descriptors that travel over a socket. */
export function kernelMessages({ describe, it }: Runner, host: Host): void {
  const { kernel } = host

  describe('kernel messages', () => {
    it('carries bytes and descriptors', () =>
      withoutLeaks(host, async () => {
        const [left, right] = kernel.socketPair()
        const fd = kernel.memfd('travels', { byteLength: 4096 })
        kernel.write(fd, new Uint8Array([1, 2, 3]), 0)
        assert.equal(kernel.sendMessage(left, new Uint8Array([9, 8]), [fd]), 2)
        kernel.close(fd)
        assert.equal(await kernel.poll(right, POLLIN), POLLIN)
        const bytes = new Uint8Array(16)
        const message = kernel.receiveMessage(right, bytes)
        assert.equal(message.byteLength, 2)
        assert.deepEqual([...bytes.subarray(0, 2)], [9, 8])
        assert.equal(message.descriptors.length, 1)
        const [arrived] = message.descriptors
        const read = new Uint8Array(3)
        kernel.read(arrived!, read, 0)
        assert.deepEqual([...read], [1, 2, 3])
        kernel.close(arrived!)
        refusal(() => kernel.receiveMessage(right, bytes), 'EAGAIN')
        kernel.close(left)
        assert.equal(kernel.receiveMessage(right, bytes).byteLength, 0)
        refusal(() => kernel.sendMessage(right, new Uint8Array([1])), 'EPIPE')
        kernel.close(right)
      }))

    it('refuses descriptors that are not open, and messages without bytes', () =>
      withoutLeaks(host, () => {
        const [left, right] = kernel.socketPair()
        refusal(() => kernel.sendMessage(left, new Uint8Array([1]), [9999]), 'EBADF')
        refusal(() => kernel.sendMessage(left, new Uint8Array(0)), 'DMA_INVALID_ARGUMENT')
        refusal(() => kernel.receiveMessage(right, new Uint8Array(4)), 'EAGAIN')
        kernel.close(left)
        kernel.close(right)
      }))
  })
}
