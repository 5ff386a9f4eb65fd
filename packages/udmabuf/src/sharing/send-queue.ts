import type { FileDescriptor, Kernel } from '@linux-dma/native'

/** A message to be sent. */
export interface Sending {
  run(): Promise<void>
  /** What its failure means for those behind it: an error that they fail with, undefined where they can go on. */
  spoils(error: unknown): unknown
}

interface Job extends Sending {
  resolve(): void
  reject(reason: unknown): void
}

/** What waits to be sent through each socket, behind what is being sent. */
const queues = /* @__PURE__ */ new WeakMap<Kernel, Map<FileDescriptor, Set<Job>>>()

/**
 * Sends one message after the other through a socket: one that goes in parts has none of another between them. Where one fails,
 * those behind it mostly do: the stream is torn, or the socket closed, and its number may be another's.
 * @throws what `run` throws; the signal's reason, also before its turn has come
 */
export function sendInTurn(
  kernel: Kernel,
  socket: FileDescriptor,
  signal: AbortSignal | undefined,
  sending: Sending,
): Promise<void> {
  const ofKernel = queues.get(kernel) ?? new Map<FileDescriptor, Set<Job>>()
  queues.set(kernel, ofKernel)
  const queue = ofKernel.get(socket)
  return new Promise((resolve, reject) => {
    if (queue) {
      wait(queue, { ...sending, resolve, reject }, signal)
    } else {
      ofKernel.set(socket, new Set())
      void runAll(ofKernel, socket, { ...sending, resolve, reject })
    }
  })
}

/** Fails what waits behind the message that is under way. */
export function failQueue(kernel: Kernel, socket: FileDescriptor, reason: () => unknown): void {
  const ofKernel = queues.get(kernel)
  const queue = ofKernel?.get(socket)
  ofKernel?.delete(socket)
  if (queue) rejectAll(queue, reason)
}

/** None of them is run any more. */
function rejectAll(queue: Set<Job>, reason: () => unknown): void {
  const jobs = [...queue]
  queue.clear()
  for (const { reject } of jobs) reject(reason())
}

/** Puts a job at the end, until it is taken or its signal aborted. */
function wait(queue: Set<Job>, { run, spoils, resolve, reject }: Job, signal: AbortSignal | undefined): void {
  const onAbort = () => {
    queue.delete(job)
    reject(signal?.reason)
  }
  const forget = () => signal?.removeEventListener('abort', onAbort)
  const job: Job = {
    run: () => {
      forget()
      return run()
    },
    spoils,
    resolve,
    reject: (reason) => {
      forget()
      reject(reason)
    },
  }
  if (signal?.aborted) {
    reject(signal.reason)
    return
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  queue.add(job)
}

async function runAll(
  ofKernel: Map<FileDescriptor, Set<Job>>,
  socket: FileDescriptor,
  first: Job,
): Promise<void> {
  const queue = ofKernel.get(socket)!
  let current = first
  let running = current.run()
  for (;;) {
    let tell = current.resolve
    try {
      await running
    } catch (error) {
      const { reject, spoils } = current
      tell = () => reject(error)
      const spoiled = spoils(error)
      if (spoiled !== undefined) rejectAll(queue, () => spoiled)
    }
    const [next] = queue
    // Its first attempt is made before anybody hears that the socket may be closed.
    if (next) {
      queue.delete(next)
      current = next
      running = current.run()
    } else if (ofKernel.get(socket) === queue) ofKernel.delete(socket)
    tell()
    if (next === undefined) return
  }
}
