import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { rejectionOf } from '../test-support/errors'
import { POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT } from './constants'
import type { LiveCounters } from './kernel'
import { linuxKernel } from './linux-kernel'

const kernel = linuxKernel()
let before: LiveCounters
beforeEach(() => {
  before = kernel.live()
})
afterEach(() => expect(kernel.live()).toEqual(before))

function signal(fd: number, count = 1n): void {
  kernel.write(fd, new Uint8Array(new BigUint64Array([count]).buffer))
}

describe('poll', () => {
  it('resolves at once with what is true already', async () => {
    const fd = kernel.eventfd(1)
    expect(await kernel.poll(fd, POLLIN | POLLOUT)).toBe(POLLIN | POLLOUT)
    expect(await kernel.poll(fd, POLLOUT)).toBe(POLLOUT)
    kernel.close(fd)
    expect(await kernel.poll(fd, POLLIN)).toBe(POLLNVAL)
  })

  it('waits without a thread until something comes true', async () => {
    const fd = kernel.eventfd()
    const poll = kernel.poll(fd, POLLIN)
    expect(kernel.live().watches).toBe(before.watches + 1)
    setTimeout(() => signal(fd), 5)
    expect(await poll).toBe(POLLIN)
    expect(kernel.live().watches).toBe(before.watches)
    expect(await kernel.poll(fd, POLLIN)).toBe(POLLIN)
    kernel.close(fd)
  })

  it('gives the error bits, asked for or not', async () => {
    const [left, right] = kernel.socketPair()
    const poll = kernel.poll(right, POLLIN)
    setTimeout(() => kernel.close(left), 5)
    expect((await poll) & (POLLHUP | POLLIN)).toBe(POLLHUP | POLLIN)
    expect((await kernel.poll(right, POLLOUT)) & (POLLHUP | POLLERR)).not.toBe(0)
    kernel.close(right)
  })

  it('rejects with the reason of its signal, aborted before or during', async () => {
    const fd = kernel.eventfd()
    const reason = new Error('enough')
    expect(await rejectionOf(kernel.poll(fd, POLLIN, { signal: AbortSignal.abort(reason) }))).toBe(reason)
    const controller = new AbortController()
    const poll = kernel.poll(fd, POLLIN, { signal: controller.signal })
    setTimeout(() => controller.abort(reason), 5)
    expect(await rejectionOf(poll)).toBe(reason)
    expect(kernel.live().watches).toBe(before.watches)
    const again = kernel.poll(fd, POLLIN, { signal: new AbortController().signal })
    signal(fd)
    expect(await again).toBe(POLLIN)
    kernel.close(fd)
  })

  it('rejects when the descriptor is closed meanwhile', async () => {
    const fd = kernel.eventfd()
    const poll = kernel.poll(fd, POLLIN)
    kernel.close(fd)
    expect((await rejectionOf(poll)).code).toBe('DMA_CLOSED')
  })

  it('refuses events and options that are none', async () => {
    const fd = kernel.eventfd(1)
    for (const events of [0, -1, 0.5, POLLERR, 0x8000, '1']) {
      expect((await rejectionOf(kernel.poll(fd, events as number))).code).toBe('DMA_INVALID_ARGUMENT')
    }
    for (const options of [{ singal: undefined }, { signal: {} }, { signal: true }, 7]) {
      expect((await rejectionOf(kernel.poll(fd, POLLIN, options as object))).code).toBe(
        'DMA_INVALID_ARGUMENT',
      )
    }
    kernel.close(fd)
  })
})
