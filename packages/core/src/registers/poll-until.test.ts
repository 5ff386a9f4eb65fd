import { describe, expect, it } from 'vitest'
import { pollUntil } from './poll-until'

/** A clock that only sleeping moves on. */
function handClock() {
  let time = 0
  return {
    now: () => time,
    sleep: async (milliseconds: number) => {
      time += milliseconds
    },
  }
}

describe('pollUntil', () => {
  it('reads once more after the time is up', async () => {
    const clock = handClock()
    let reads = 0
    const read = () => {
      reads++
      return clock.now() >= 10 ? 1 : 0
    }
    const options = { timeoutMilliseconds: 10, intervalMilliseconds: 4 }
    await expect(
      pollUntil(
        read,
        (value) => value === 1,
        () => 'register',
        clock,
        options,
      ),
    ).resolves.toBe(1)
    expect(reads).toBe(4)
  })

  it('says what all ones mean', async () => {
    const options = { timeoutMilliseconds: 5, intervalMilliseconds: 1 }
    const polled = pollUntil(
      () => 0xffff_ffff,
      () => false,
      () => 'register',
      handClock(),
      options,
    )
    await expect(polled).rejects.toMatchObject({
      code: 'ETIMEDOUT',
      hint: expect.stringContaining('still on the bus'),
    })
  })

  it('refuses options it does not know, and times that are none', async () => {
    const poll = (options: object) =>
      pollUntil(
        () => 0,
        () => true,
        () => 'register',
        handClock(),
        options as { timeoutMilliseconds: number },
      )
    await expect(poll({ timeout: 5 })).rejects.toMatchObject({ code: 'DMA_INVALID_ARGUMENT' })
    await expect(poll({})).rejects.toMatchObject({ code: 'DMA_INVALID_ARGUMENT' })
    await expect(poll({ timeoutMilliseconds: Number.POSITIVE_INFINITY })).rejects.toMatchObject({
      code: 'DMA_INVALID_ARGUMENT',
    })
  })
})
