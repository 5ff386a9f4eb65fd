import type { Clock } from './kernel'
import { checkOptions, checkSignal, invalidArgument } from './validate'

// setTimeout takes 31 bits of milliseconds, and 1 ms for anything longer.
const LONGEST_TIMER = 0x7fffffff

/** The machine's own monotonic clock. */
export const systemClock: Clock = {
  now: () => performance.now(),

  async sleep(milliseconds, options) {
    if (!(typeof milliseconds === 'number' && milliseconds >= 0 && milliseconds <= Number.MAX_SAFE_INTEGER)) {
      throw invalidArgument('milliseconds', milliseconds, 'a number of 0 or more')
    }
    const signal = checkSignal(checkOptions('sleep', options, ['signal']).signal)
    signal?.throwIfAborted()
    for (let rest = milliseconds; ; rest -= LONGEST_TIMER) {
      await timer(Math.min(rest, LONGEST_TIMER), signal)
      if (rest <= LONGEST_TIMER) return
    }
  },
}

function timer(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timeout)
      reject(signal?.reason)
    }
    const timeout = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, milliseconds)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
