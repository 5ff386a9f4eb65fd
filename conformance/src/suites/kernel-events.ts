import assert from 'node:assert/strict'
import { POLLIN, POLLNVAL, POLLOUT } from '@linux-dma/native'
import { settle } from '../edu'
import type { Host, Runner } from '../host'
import { refusal, withoutLeaks } from '../with-device'

function signal(kernel: Host['kernel'], eventfd: number, count = 1): void {
  kernel.write(eventfd, new Uint8Array(new BigUint64Array([BigInt(count)]).buffer))
}

/** eventfds, polls and watches. */
export function kernelEvents({ describe, it }: Runner, host: Host): void {
  const { kernel } = host

  describe('kernel events', () => {
    it('counts in an eventfd', () =>
      withoutLeaks(host, () => {
        const eventfd = kernel.eventfd(3)
        signal(kernel, eventfd, 4)
        const bytes = new Uint8Array(8)
        assert.equal(kernel.read(eventfd, bytes), 8)
        assert.equal(bytes[0], 7)
        refusal(() => kernel.read(eventfd, bytes), 'EAGAIN')
        refusal(() => kernel.read(eventfd, new Uint8Array(4)), 'EINVAL')
        refusal(() => kernel.write(eventfd, new Uint8Array(8).fill(0xff)), 'EINVAL')
        kernel.close(eventfd)
      }))

    it('hands on every event of a watched counter, coalesced', () =>
      withoutLeaks(host, async () => {
        const eventfd = kernel.eventfd()
        let total = 0
        const watch = kernel.watch(eventfd, 8, {
          onCount: (count) => {
            total += count
          },
          onError: assert.fail,
        })
        for (let i = 1; i <= 100; i++) {
          signal(kernel, eventfd, i)
          if (i % 10 === 0) await settle(kernel)
        }
        await settle(kernel)
        assert.equal(total, 5050)
        watch.close()
        watch.close()
        signal(kernel, eventfd)
        await settle(kernel)
        assert.equal(total, 5050)
        kernel.close(eventfd)
      }))

    it('has one watch for each descriptor', () =>
      withoutLeaks(host, () => {
        const eventfd = kernel.eventfd()
        const listener = { onCount: () => {}, onError: () => {} }
        const watch = kernel.watch(eventfd, 8, listener)
        refusal(() => kernel.watch(eventfd, 8, listener), 'EBUSY')
        watch.close()
        kernel.watch(eventfd, 8, listener).close()
        kernel.close(eventfd)
        refusal(() => kernel.watch(eventfd, 8, listener), 'EBADF')
      }))

    it('tells a watch that its descriptor was closed', () =>
      withoutLeaks(host, async () => {
        const eventfd = kernel.eventfd()
        const errors: string[] = []
        kernel.watch(eventfd, 8, {
          onCount: () => assert.fail('no event came'),
          onError: (error) => errors.push((error as Error & { code: string }).code),
        })
        kernel.close(eventfd)
        await settle(kernel)
        assert.deepEqual(errors, ['DMA_CLOSED'])
      }))

    it('polls once, and lets itself be aborted', () =>
      withoutLeaks(host, async () => {
        const eventfd = kernel.eventfd()
        assert.equal(await kernel.poll(eventfd, POLLIN | POLLOUT), POLLOUT)
        const waiting = kernel.poll(eventfd, POLLIN)
        signal(kernel, eventfd)
        assert.equal(await waiting, POLLIN)
        kernel.read(eventfd, new Uint8Array(8))
        const reason = new Error('no longer wanted')
        const controller = new AbortController()
        const aborted = kernel.poll(eventfd, POLLIN, { signal: controller.signal })
        controller.abort(reason)
        await assert.rejects(aborted, reason)
        await assert.rejects(kernel.poll(eventfd, POLLIN, { signal: AbortSignal.abort(reason) }), reason)
        kernel.close(eventfd)
        assert.equal(await kernel.poll(eventfd, POLLIN), POLLNVAL)
      }))

    it('sleeps on its own clock', () =>
      withoutLeaks(host, async () => {
        const start = kernel.clock.now()
        await kernel.clock.sleep(15)
        assert.ok(kernel.clock.now() - start >= 14)
        const controller = new AbortController()
        const sleeping = kernel.clock.sleep(1e6, { signal: controller.signal })
        const reason = new Error('wake up')
        controller.abort(reason)
        await assert.rejects(sleeping, reason)
        await assert.rejects(kernel.clock.sleep(1, { signal: AbortSignal.abort(reason) }), reason)
      }))
  })
}
