import { POLLIN } from '@linux-dma/native'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { VirtualClock } from './clock'
import { outcome } from './fixtures/outcome'
import { createFakeMachine } from './machine'

describe('events', () => {
  it('run in the order of their time, then of their making', () => {
    const clock = new VirtualClock(false)
    const order: string[] = []
    clock.schedule(2, () => order.push('late'))
    clock.schedule(1, () => order.push('first'))
    clock.schedule(1, () => order.push('second'))
    clock.advance(2)
    expect(order).toEqual(['first', 'second', 'late'])
    expect(clock.now()).toBe(2)
  })

  it('see the time they were made for, and may make more', () => {
    const clock = new VirtualClock(false)
    const times: number[] = []
    const again = () => {
      times.push(clock.now())
      if (times.length < 4) clock.schedule(10, again)
    }
    clock.schedule(10, again)
    clock.advance(35)
    expect(times).toEqual([10, 20, 30])
    expect(clock.now()).toBe(35)
    clock.advance(5)
    expect(times).toEqual([10, 20, 30, 40])
  })

  it('can be cancelled, twice and too late', () => {
    const clock = new VirtualClock(false)
    let runs = 0
    const event = clock.schedule(1, () => runs++)
    event.cancel()
    event.cancel()
    clock.advance(2)
    expect(runs).toBe(0)
    const ran = clock.schedule(1, () => runs++)
    clock.advance(2)
    ran.cancel()
    expect(runs).toBe(1)
  })

  it('may themselves spend time', () => {
    const clock = new VirtualClock(false)
    const times: number[] = []
    clock.schedule(1, () => clock.advance(5))
    clock.schedule(2, () => times.push(clock.now()))
    clock.advance(3)
    expect(times).toEqual([2])
    expect(clock.now()).toBe(6)
  })

  it('are refused at times that are none', () => {
    const clock = new VirtualClock(false)
    for (const delay of [-1, Number.NaN, Number.POSITIVE_INFINITY, '1' as never]) {
      expect(outcome(() => clock.schedule(delay, () => {}))).toBe('DMA_INVALID_ARGUMENT')
      expect(outcome(() => clock.advance(delay))).toBe('DMA_INVALID_ARGUMENT')
    }
  })
})

describe('sleep', () => {
  it('takes virtual time, not real time', async () => {
    const clock = new VirtualClock(true)
    const started = performance.now()
    await clock.sleep(3_600_000)
    expect(clock.now()).toBe(3_600_000)
    expect(performance.now() - started).toBeLessThan(1000)
  })

  it('wakes the earlier sleeper first, whoever began', async () => {
    const clock = new VirtualClock(true)
    const order: string[] = []
    await Promise.all([
      clock.sleep(20).then(() => order.push('long')),
      clock.sleep(10).then(() => order.push('short')),
    ])
    expect(order).toEqual(['short', 'long'])
  })

  it('ends with the reason of a signal, at once', async () => {
    const clock = new VirtualClock(true)
    const controller = new AbortController()
    const sleeping = clock.sleep(1000, { signal: controller.signal })
    const reason = new Error('enough')
    controller.abort(reason)
    await expect(sleeping).rejects.toBe(reason)
    await expect(clock.sleep(1, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(clock.now()).toBe(0)
  })

  it('waits for advance() when time does not move by itself', async () => {
    const clock = new VirtualClock(false)
    let awake = false
    const sleeping = clock.sleep(10).then(() => {
      awake = true
    })
    await clock.settle()
    expect(awake).toBe(false)
    clock.advance(10)
    await sleeping
    expect(awake).toBe(true)
  })

  it('refuses a length that is none', async () => {
    await expect(new VirtualClock(true).sleep(-1)).rejects.toMatchObject({ code: 'DMA_INVALID_ARGUMENT' })
  })
})

it('stands still while nobody waits', async () => {
  const clock = new VirtualClock(true)
  let ran = false
  clock.schedule(1, () => {
    ran = true
  })
  await clock.settle()
  expect(ran).toBe(false)
})

describe('what keeps the process alive', () => {
  /** Timers that the process would wait for, but those of the test runner, which are shorter. */
  const timers = new Set<unknown>()
  const vigils = () => timers.size

  beforeEach(() => {
    const { setTimeout, clearTimeout } = globalThis
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(((run: () => void, delay?: number) => {
      const timer = setTimeout(run, delay)
      if (delay === 2 ** 31 - 1 && timer.hasRef()) timers.add(timer)
      return timer
    }) as typeof setTimeout)
    vi.spyOn(globalThis, 'clearTimeout').mockImplementation((timer) => {
      timers.delete(timer)
      clearTimeout(timer)
    })
  })

  afterEach(() => {
    vi.restoreAllMocks()
  })

  it('is somebody who waits for what is not scheduled, until nobody does', async () => {
    const { kernel } = createFakeMachine()
    const fd = kernel.eventfd()
    const watch = kernel.watch(fd, 8, { onCount: () => {}, onError: () => {} })
    await new VirtualClock(true).settle()
    expect(vigils()).toBe(1)
    watch.unref()
    expect(vigils()).toBe(0)
    watch.ref()
    await new VirtualClock(true).settle()
    expect(vigils()).toBe(1)
    watch.close()
    expect(vigils()).toBe(0)
  })

  it('leaves it to real signals to end the waiting', async () => {
    const { kernel, clock } = createFakeMachine()
    const fd = kernel.eventfd()
    const polled = kernel.poll(fd, POLLIN, { signal: AbortSignal.timeout(20) })
    await expect(polled).rejects.toMatchObject({ name: 'TimeoutError' })
    expect(clock.now()).toBe(0)
    expect(vigils()).toBe(0)
  })

  it('is a sleep, where time does not move by itself', async () => {
    const clock = new VirtualClock(false)
    const controller = new AbortController()
    const sleeping = clock.sleep(10, { signal: controller.signal })
    await clock.settle()
    expect(vigils()).toBe(1)
    controller.abort(new Error('enough'))
    await expect(sleeping).rejects.toThrow('enough')
    expect(vigils()).toBe(0)
  })

  it('is no event that nobody waits for', async () => {
    const clock = new VirtualClock(true)
    clock.schedule(1, () => {})
    await clock.settle()
    expect(vigils()).toBe(0)
  })
})
