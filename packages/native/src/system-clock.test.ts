import { describe, expect, it } from 'vitest'
import { rejectionOf } from '../test-support/errors'
import { systemClock } from './system-clock'

describe('the clock', () => {
  it('goes forward, and sleeps at least as long as asked', async () => {
    const start = systemClock.now()
    await systemClock.sleep(10)
    // Timers count whole milliseconds.
    expect(systemClock.now() - start).toBeGreaterThanOrEqual(9)
    await systemClock.sleep(0)
  })

  it('wakes with the reason of its signal', async () => {
    const controller = new AbortController()
    const reason = new Error('up')
    const sleep = systemClock.sleep(2 ** 40, { signal: controller.signal })
    setTimeout(() => controller.abort(reason), 5)
    expect(await rejectionOf(sleep)).toBe(reason)
    expect(await rejectionOf(systemClock.sleep(1, { signal: controller.signal }))).toBe(reason)
    await systemClock.sleep(1, { signal: new AbortController().signal })
  })

  it('refuses times that are none', async () => {
    for (const time of [-1, NaN, Infinity, '5', undefined, 5n]) {
      expect((await rejectionOf(systemClock.sleep(time as number))).code).toBe('DMA_INVALID_ARGUMENT')
    }
    expect((await rejectionOf(systemClock.sleep(1, { singal: 1 } as object))).code).toBe(
      'DMA_INVALID_ARGUMENT',
    )
  })
})
