import { isDmaError } from '@linux-dma/core'
import type { FileDescriptor, Kernel } from '@linux-dma/native'
import { pollShared } from '../dma-buf/shared-poll'

/** So many calls may find a socket ready before the event loop is given a turn: else a busy peer has all of it. */
const CALLS_PER_TURN = 128

const calls = /* @__PURE__ */ new WeakMap<Kernel, { count: number }>()

/**
 * Makes a call on a socket once that is ready: at once, before anything else runs, where it is ready now.
 * @throws the signal's reason; what the call throws but EAGAIN
 */
export async function whenReady<Result>(
  kernel: Kernel,
  socket: FileDescriptor,
  events: number,
  signal: AbortSignal | undefined,
  call: () => Result,
): Promise<Result> {
  signal?.throwIfAborted()
  for (;;) {
    try {
      return call()
    } catch (error) {
      if (!isDmaError(error, 'EAGAIN')) throw error
    }
    await pollShared(kernel, socket, events, signal)
  }
}

/**
 * Lets timers and other descriptors have a turn, every so many calls. For when a call is through, and nothing more is done with the
 * number of its socket: that may be another's afterwards.
 */
export async function giveTurn(kernel: Kernel): Promise<void> {
  const { count } = calls.get(kernel) ?? { count: 0 }
  calls.set(kernel, { count: (count + 1) % CALLS_PER_TURN })
  if (count + 1 === CALLS_PER_TURN) await kernel.clock.sleep(0)
}
