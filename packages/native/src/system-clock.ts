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
      cancel()
      reject(signal?.reason)
    }
    const onTime = () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }
    const cancel = milliseconds === 0 ? soon(onTime) : later(onTime, milliseconds)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** At the next turn of the event loop: a timer takes a millisecond at least. */
function soon(run: () => void): () => void {
  const immediate = setImmediate(run)
  return () => clearImmediate(immediate)
}

function later(run: () => void, milliseconds: number): () => void {
  const timeout = setTimeout(run, milliseconds)
  return () => clearTimeout(timeout)
}
