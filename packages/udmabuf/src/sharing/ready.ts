import { isDmaError } from '@linux-dma/core'
import type { FileDescriptor, Kernel } from '@linux-dma/native'
import { pollShared } from '../dma-buf/fence-poll'

/** So many calls in a row may find a socket ready before the event loop has its turn: else a busy peer has all of it. */
const CALLS_IN_A_ROW = 128

/** How many calls did, since the event loop last had its turn. */
const rows = /* @__PURE__ */ new WeakMap<Kernel, { calls: number }>()

/**
 * Makes a call on a socket once that is ready.
 * @throws the signal's reason; what the call throws but EAGAIN
 */
export async function whenReady<Result>(
  kernel: Kernel,
  socket: FileDescriptor,
  events: number,
  signal: AbortSignal | undefined,
  call: () => Result,
): Promise<Result> {
  await turn(kernel)
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

/** Lets timers and other descriptors have their turn where it is time. */
async function turn(kernel: Kernel): Promise<void> {
  const row = rows.get(kernel) ?? { calls: 0 }
  rows.set(kernel, row)
  row.calls++
  if (row.calls < CALLS_IN_A_ROW) return
  row.calls = 0
  await kernel.clock.sleep(0)
}

/** What is being done with each socket, in the order in which it was asked for. */
const queues = /* @__PURE__ */ new WeakMap<Kernel, Map<FileDescriptor, Promise<unknown>>>()

/**
 * Does one thing after the other with a socket: a message that goes in parts has none of another between them.
 * @throws the signal's reason where it comes before the turn does; what `work` throws
 */
export async function inTurn<Result>(
  kernel: Kernel,
  socket: FileDescriptor,
  signal: AbortSignal | undefined,
  work: () => Promise<Result>,
): Promise<Result> {
  const ofKernel = queues.get(kernel) ?? new Map<FileDescriptor, Promise<unknown>>()
  queues.set(kernel, ofKernel)
  const before = ofKernel.get(socket)
  const result = before === undefined ? work() : unlessAborted(before, signal).then(work)
  // Who comes next waits for this and for what is before it, which this may not have waited for; and not for how they went.
  const done = Promise.allSettled([before, result]).then(() => {})
  ofKernel.set(socket, done)
  try {
    return await result
  } finally {
    void done.then(() => {
      if (ofKernel.get(socket) === done) ofKernel.delete(socket)
    })
  }
}

/** What is waited for never fails. @throws the signal's reason */
function unlessAborted(wait: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal?.reason)
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    void wait.then(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
  })
}
