import { type Clock, DmaError } from '@linux-dma/native'
import { assertMilliseconds, assertOptions, assertSignal } from '../checks/validate'

/** How long and how often to look: see {@link IoRegion.pollUntil}. */
export interface PollOptions {
  /** Give up after this many milliseconds: 0 or more, fractions allowed. */
  timeoutMilliseconds: number
  /** Sleep this long between reads. Default 0: yield to the event loop and read again. */
  intervalMilliseconds?: number
  signal?: AbortSignal
}

/** Calls `read` until `condition` holds for what it gave. Mirrors `read_poll_timeout()`. */
export async function pollUntil(
  read: () => number,
  condition: (value: number) => boolean,
  what: () => string,
  clock: Clock,
  options: PollOptions,
): Promise<number> {
  assertOptions('pollUntil', options, ['timeoutMilliseconds', 'intervalMilliseconds', 'signal'])
  const { timeoutMilliseconds, intervalMilliseconds = 0, signal } = options
  assertMilliseconds('timeoutMilliseconds', timeoutMilliseconds)
  assertMilliseconds('intervalMilliseconds', intervalMilliseconds)
  assertSignal('pollUntil', signal)
  signal?.throwIfAborted()
  const deadline = clock.now() + timeoutMilliseconds
  for (;;) {
    // Time is taken before the read: a process that was not scheduled for long still gets one read after the deadline.
    const late = clock.now() > deadline
    const value = read()
    if (condition(value)) return value
    if (late) throw timedOut(what(), value, timeoutMilliseconds)
    await clock.sleep(intervalMilliseconds, signal ? { signal } : {})
  }
}

function timedOut(what: string, value: number, milliseconds: number): DmaError {
  const gone = value === 0xffff_ffff
  return new DmaError('ETIMEDOUT', `${what} still reads 0x${value.toString(16)} after ${milliseconds} ms`, {
    hint: gone
      ? 'all ones is what a device that has gone or lost its power answers: check that it is still on the bus'
      : 'check that the device was started, and that this bit is the one it changes',
  })
}
