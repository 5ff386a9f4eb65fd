import { POLLIN, POLLNVAL, POLLOUT } from '@linux-dma/native'
import { describe, expect, it } from 'vitest'
import { outcome } from '../fixtures/outcome'
import { createFakeMachine } from '../machine'

const one = new Uint8Array(new BigUint64Array([1n]).buffer)

function ignore() {
  return { onCount: () => {}, onError: () => {} }
}

describe('watch', () => {
  it('hands on the count of events since the last call', async () => {
    const { kernel, clock } = createFakeMachine()
    const fd = kernel.eventfd(2)
    const counts: number[] = []
    const watch = kernel.watch(fd, 8, { ...ignore(), onCount: (count) => counts.push(count) })
    await clock.sleep(1)
    for (let i = 0; i < 3; i++) kernel.write(fd, one)
    expect(counts).toEqual([2])
    await clock.sleep(1)
    expect(counts).toEqual([2, 3])
    watch.close()
    watch.close()
    kernel.write(fd, one)
    await clock.sleep(1)
    expect(counts).toEqual([2, 3])
  })

  it('takes turns, so that a busy descriptor does not hold up another', async () => {
    const { kernel, clock } = createFakeMachine()
    const [busy, quiet] = [kernel.eventfd(1), kernel.eventfd(1)]
    const order: string[] = []
    const listener = (name: string, fd: number) => ({
      ...ignore(),
      onCount: () => {
        order.push(name)
        if (order.length < 6) kernel.write(fd, one)
      },
    })
    kernel.watch(busy, 8, listener('busy', busy))
    kernel.watch(quiet, 8, listener('quiet', quiet))
    await clock.sleep(1)
    expect(order.slice(0, 4)).toEqual(['busy', 'quiet', 'busy', 'quiet'])
  })

  it('is one for each descriptor, and none for files that never wait', () => {
    const { kernel } = createFakeMachine()
    const fd = kernel.eventfd()
    const watch = kernel.watch(fd, 8, ignore())
    expect(outcome(() => kernel.watch(fd, 8, ignore()))).toBe('EBUSY')
    watch.close()
    expect(outcome(() => kernel.watch(fd, 8, ignore()).close())).toBe('OK(0)')
    const memfd = kernel.memfd('x', { byteLength: 1 })
    expect(outcome(() => kernel.watch(memfd, 8, ignore()))).toBe('EPERM')
    expect(outcome(() => kernel.watch(99, 8, ignore()))).toBe('EBADF')
    expect(outcome(() => kernel.watch(fd, 5 as 4, ignore()))).toBe('DMA_INVALID_ARGUMENT')
    expect(outcome(() => kernel.watch(fd, 8, {} as never))).toBe('DMA_INVALID_ARGUMENT')
  })

  it('ends with an error when it cannot read, or when its descriptor closes, told as an event of its own', async () => {
    const { kernel, clock } = createFakeMachine()
    const errors: string[] = []
    const listener = {
      ...ignore(),
      onError: (error: Error) => errors.push((error as { code?: string }).code!),
    }
    kernel.watch(kernel.eventfd(1), 4, listener)
    await clock.sleep(1)
    expect(errors).toEqual(['EINVAL'])
    const fd = kernel.eventfd(1)
    kernel.watch(fd, 8, listener)
    kernel.close(fd)
    expect(errors).toEqual(['EINVAL'])
    expect(kernel.live().watches).toBe(0)
    await clock.sleep(1)
    expect(errors).toEqual(['EINVAL', 'DMA_CLOSED'])
  })

  it('says nothing after it was closed, even where its descriptor closed first', async () => {
    const { kernel, clock } = createFakeMachine()
    const fd = kernel.eventfd(1)
    const calls: string[] = []
    const watch = kernel.watch(fd, 8, {
      onCount: () => calls.push('count'),
      onError: () => calls.push('error'),
    })
    kernel.close(fd)
    watch.close()
    await clock.sleep(1)
    expect(calls).toEqual([])
  })

  it('delivers while it is unreferenced, but does not move time', async () => {
    const { kernel, clock } = createFakeMachine()
    const fd = kernel.eventfd()
    let counts = 0
    const watch = kernel.watch(fd, 8, { ...ignore(), onCount: () => counts++ })
    watch.unref()
    watch.unref()
    clock.schedule(5, () => kernel.write(fd, one))
    await clock.settle()
    expect([counts, clock.now()]).toEqual([0, 0])
    kernel.write(fd, one)
    await clock.settle()
    expect(counts).toBe(1)
    watch.ref()
    await clock.settle()
    expect([counts, clock.now()]).toEqual([2, 5])
    watch.close()
  })

  it('has promises and handlers run before time goes on', async () => {
    const { kernel, clock } = createFakeMachine()
    const fd = kernel.eventfd()
    const times: number[] = []
    clock.schedule(10, () => kernel.write(fd, one))
    clock.schedule(11, () => times.push(-1))
    kernel.watch(fd, 8, {
      ...ignore(),
      onCount: async () => {
        for (let i = 0; i < 10; i++) await Promise.resolve()
        times.push(clock.now())
      },
    })
    await clock.sleep(20)
    expect(times).toEqual([10, -1])
  })
})

describe('poll', () => {
  it('answers at once where something is true already', async () => {
    const { kernel, clock } = createFakeMachine()
    expect(await kernel.poll(kernel.eventfd(1), POLLIN | POLLOUT)).toBe(POLLIN | POLLOUT)
    expect(await kernel.poll(kernel.memfd('x', { byteLength: 1 }), POLLIN)).toBe(POLLIN)
    expect(await kernel.poll(99, POLLIN)).toBe(POLLNVAL)
    expect(clock.now()).toBe(0)
  })

  it('lets time run until the descriptor is ready', async () => {
    const { kernel, clock } = createFakeMachine()
    const fd = kernel.eventfd()
    clock.schedule(250, () => kernel.write(fd, one))
    expect(await kernel.poll(fd, POLLIN)).toBe(POLLIN)
    expect(clock.now()).toBe(250)
    expect(kernel.live().watches).toBe(0)
  })

  it('ends with the reason of a signal, and with an error when the descriptor closes', async () => {
    const { kernel } = createFakeMachine()
    const fd = kernel.eventfd()
    const controller = new AbortController()
    const aborted = kernel.poll(fd, POLLIN, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')
    const closed = kernel.poll(fd, POLLIN)
    kernel.close(fd)
    await expect(closed).rejects.toMatchObject({ code: 'DMA_CLOSED' })
  })

  it('refuses events that are none', async () => {
    const { kernel } = createFakeMachine()
    const fd = kernel.eventfd()
    for (const events of [0, 0.5, 8, -1]) {
      await expect(kernel.poll(fd, events)).rejects.toMatchObject({ code: 'DMA_INVALID_ARGUMENT' })
    }
    await expect(kernel.poll(fd, POLLIN, { sginal: 1 } as never)).rejects.toMatchObject({
      code: 'DMA_INVALID_ARGUMENT',
    })
  })
})
