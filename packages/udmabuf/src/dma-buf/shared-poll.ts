import { type FileDescriptor, type Kernel, POLLERR, POLLHUP, POLLNVAL } from '@linux-dma/native'

/** Come whether they are asked for or not. */
const ALWAYS = POLLERR | POLLHUP | POLLNVAL

interface Waiter {
  readonly events: number
  resolve(revents: number): void
  reject(reason: unknown): void
}

/** What is being waited for at present, of each kernel, by descriptor. */
const polls = /* @__PURE__ */ new WeakMap<Kernel, Map<FileDescriptor, SharedPoll>>()

/**
 * Waits until a descriptor is ready for one of `events`, without a thread. The kernel interface has one wait at a time for each
 * descriptor: all who wait here for the same one share it.
 * @throws the signal's reason; DMA_CLOSED where the descriptor is closed meanwhile
 */
export function pollShared(
  kernel: Kernel,
  fd: FileDescriptor,
  events: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const ofKernel = polls.get(kernel) ?? new Map<FileDescriptor, SharedPoll>()
  polls.set(kernel, ofKernel)
  const poll = ofKernel.get(fd) ?? new SharedPoll(kernel, fd, () => void ofKernel.delete(fd))
  ofKernel.set(fd, poll)
  return poll.wait(events, signal)
}

/** Ends all waits for a descriptor that is about to be closed: before its number can be another's. */
export function endPolls(kernel: Kernel, fd: FileDescriptor, reason: () => unknown): void {
  polls.get(kernel)?.get(fd)?.end(reason)
}

/** One wait of the kernel's, for everybody who waits for its descriptor. */
class SharedPoll {
  readonly #kernel: Kernel
  readonly #fd: FileDescriptor
  readonly #forget: () => void
  readonly #waiters = new Set<Waiter>()
  /** Ends the wait that is under way, and the events that it is for. */
  #running: { stop: AbortController; events: number } | undefined

  constructor(kernel: Kernel, fd: FileDescriptor, forget: () => void) {
    this.#kernel = kernel
    this.#fd = fd
    this.#forget = forget
  }

  wait(events: number, signal: AbortSignal | undefined): Promise<number> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason)
        this.#run()
        return
      }
      const waiter: Waiter = {
        events,
        resolve: (revents) => {
          signal?.removeEventListener('abort', onAbort)
          resolve(revents)
        },
        reject: (reason) => {
          signal?.removeEventListener('abort', onAbort)
          reject(reason)
        },
      }
      const onAbort = () => {
        this.#waiters.delete(waiter)
        reject(signal?.reason)
        this.#run()
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiters.add(waiter)
      this.#run()
    })
  }

  end(reason: () => unknown): void {
    for (const waiter of this.#waiters) waiter.reject(reason())
    this.#waiters.clear()
    this.#run()
  }

  /** Has the kernel wait for all that somebody waits for, and for nothing where nobody does. */
  #run(): void {
    let events = 0
    for (const waiter of this.#waiters) events |= waiter.events
    if (this.#running !== undefined) {
      if (events !== 0 && (events & ~this.#running.events) === 0) return
      this.#running.stop.abort()
      this.#running = undefined
    }
    if (events === 0) {
      this.#forget()
      return
    }
    const running = { stop: new AbortController(), events }
    this.#running = running
    this.#kernel.poll(this.#fd, events, { signal: running.stop.signal }).then(
      (revents) =>
        this.#answer(running, (waiter) => {
          if ((revents & (waiter.events | ALWAYS)) !== 0) waiter.resolve(revents)
          return (revents & (waiter.events | ALWAYS)) !== 0
        }),
      (error) =>
        this.#answer(running, (waiter) => {
          waiter.reject(error)
          return true
        }),
    )
  }

  /** Tells those whom it concerns, unless this wait was ended for another; the others go on waiting. */
  #answer(running: object, isThrough: (waiter: Waiter) => boolean): void {
    if (this.#running !== running) return
    this.#running = undefined
    for (const waiter of [...this.#waiters]) if (isThrough(waiter)) this.#waiters.delete(waiter)
    this.#run()
  }
}
