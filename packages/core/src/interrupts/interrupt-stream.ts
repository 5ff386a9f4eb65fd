import { DmaError, type Kernel } from '@linux-dma/native'
import { assertMilliseconds, assertOptions, assertSignal } from '../checks/validate'

/** One delivery: interrupts that came before it was read are counted together, none is lost. */
export interface Interrupt {
  readonly vector: number
  /** How many times the vector fired since its last delivery: 1 or more. */
  readonly count: number
}

/** What a waiter is rejected with when its time is up. */
const TIME_IS_UP = Symbol('time is up')

interface Waiter {
  resolve(result: IteratorResult<Interrupt, undefined>): void
  reject(reason: unknown): void
}

/**
 * A device's interrupts as an async iterator with one consumer. They are counted from the moment that this is made, so that
 * one that comes before the first `next()` is kept. Where a device's driver holds interrupts back after each, the next is
 * let through when it is asked for: clear the cause in the device in between.
 *
 * A package of devices extends it: it says how interrupts come (`deliver`), are let through again (`rearm`) and end (`stop`).
 */
export abstract class InterruptStream
  implements AsyncIterableIterator<Interrupt>, Disposable, AsyncDisposable
{
  /** How the device signals, for example `msi`, `intx`. */
  abstract readonly kind: string
  readonly #kernel: Kernel
  readonly #signal: AbortSignal | undefined
  /** Interrupts of each vector that nobody has taken yet. */
  readonly #pending: Float64Array
  #pendingTotal = 0
  #nextVector = 0
  #waiter: Waiter | undefined
  #failure: { reason: unknown } | undefined
  #closed = false

  protected constructor(kernel: Kernel, vectors: number, signal: AbortSignal | undefined) {
    assertSignal('interrupts', signal)
    signal?.throwIfAborted()
    this.#kernel = kernel
    this.#signal = signal
    this.#pending = new Float64Array(vectors)
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Interrupts that came and that nobody has taken yet. */
  get pending(): number {
    return this.#pendingTotal
  }

  get closed(): boolean {
    return this.#closed
  }

  /**
   * The next delivery. Rejects with the signal's reason once it is aborted; ends when the stream or its device closes.
   * @throws DMA_INTERRUPT_IN_USE while another `next()` waits
   */
  next(): Promise<IteratorResult<Interrupt, undefined>> {
    if (this.#failure) return Promise.reject(this.#failure.reason)
    if (this.#closed) return Promise.resolve({ done: true, value: undefined })
    if (this.#pendingTotal > 0) return Promise.resolve({ done: false, value: this.#take() })
    if (this.#waiter) {
      return Promise.reject(
        new DmaError('DMA_INTERRUPT_IN_USE', 'somebody already waits for this interrupt', {
          hint: 'one consumer for each stream: hand the interrupts on from a single loop',
        }),
      )
    }
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
      this.#rearmOrFail()
    })
  }

  /**
   * The next delivery, or an error when it does not come in time. Mirrors `wait_for_completion_timeout()`.
   * @param options.timeoutMilliseconds 0 or more, on the kernel's clock
   * @throws ETIMEDOUT; DMA_CLOSED where the stream has ended; what `next()` rejects with
   */
  async wait(options: { timeoutMilliseconds: number }): Promise<Interrupt> {
    assertOptions('wait', options, ['timeoutMilliseconds'])
    const { timeoutMilliseconds } = options
    assertMilliseconds('timeoutMilliseconds', timeoutMilliseconds)
    const delivery = this.next()
    const waiter = this.#waiter
    const timer = new AbortController()
    if (waiter) {
      // The sleep is cut short, and so rejects, when the interrupt comes first.
      const expired = () => this.#expire(waiter)
      this.#kernel.clock.sleep(timeoutMilliseconds, { signal: timer.signal }).then(expired, () => {})
    }
    try {
      const { done, value } = await delivery
      if (!done) return value
      throw new DmaError('DMA_CLOSED', 'the interrupt stream ended before an interrupt came')
    } catch (error) {
      // Made here and not where time ran out, so that its stack names who waited.
      throw error === TIME_IS_UP ? this.#timedOut(timeoutMilliseconds) : error
    } finally {
      timer.abort()
    }
  }

  /** Ends the iteration, as `break` in a `for await` does. */
  async return(): Promise<IteratorResult<Interrupt, undefined>> {
    this.close()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Disables the interrupts and ends the iteration. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#pendingTotal = 0
    this.#signal?.removeEventListener('abort', this.#onAbort)
    try {
      this.stop()
    } finally {
      this.#settle()
    }
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  /** Lets the next interrupt through where the last one holds it back. Called each time that somebody begins to wait. */
  protected abstract rearm(): void
  /** Disables the interrupts and gives back what the subclass holds. Called once. */
  protected abstract stop(): void
  /** Delivers what has come and what the event loop has not told of yet: the thread may have been busy. */
  protected abstract collect(): void
  /** What to look at when no interrupt came in time. */
  protected abstract whyNone(): string

  /** For a subclass: `count` interrupts of a vector came. */
  protected deliver(vector: number, count: number): void {
    this.#pending[vector]! += count
    this.#pendingTotal += count
    const waiter = this.#waiter
    if (!waiter) return
    this.#waiter = undefined
    waiter.resolve({ done: false, value: this.#take() })
  }

  /** For a subclass: ends the stream with an error, which whoever asks for the next interrupt gets. */
  protected fail(reason: unknown): void {
    if (this.#closed) return
    this.#failure = { reason }
    try {
      this.close()
    } catch {
      // Whoever waits has been told the reason; that a device which is gone cannot be quieted adds nothing to it.
    }
  }

  /** For a subclass. @throws DMA_CLOSED */
  protected assertOpen(): void {
    if (this.#closed) throw new DmaError('DMA_CLOSED', 'the interrupt stream is closed')
  }

  readonly #onAbort = (): void => this.fail(this.#signal!.reason)

  /** Takes vectors in turn, so that a busy one does not hold up the others. */
  #take(): Interrupt {
    const vectors = this.#pending.length
    let vector = this.#nextVector
    while (this.#pending[vector] === 0) vector = (vector + 1) % vectors
    const count = this.#pending[vector]!
    this.#pending[vector] = 0
    this.#pendingTotal -= count
    this.#nextVector = (vector + 1) % vectors
    return { vector, count }
  }

  #rearmOrFail(): void {
    try {
      this.rearm()
    } catch (error) {
      this.fail(error)
    }
  }

  #expire(waiter: Waiter): void {
    if (this.#waiter !== waiter) return
    let reason: unknown = TIME_IS_UP
    try {
      // What is in the counters came in time.
      this.collect()
    } catch (error) {
      reason = error
    }
    if (this.#waiter !== waiter) return
    this.#waiter = undefined
    waiter.reject(reason)
  }

  #timedOut(milliseconds: number): DmaError {
    return new DmaError('ETIMEDOUT', `no ${this.kind} interrupt within ${milliseconds} ms`, {
      hint: this.whyNone(),
    })
  }

  #settle(): void {
    const waiter = this.#waiter
    this.#waiter = undefined
    if (this.#failure) waiter?.reject(this.#failure.reason)
    else waiter?.resolve({ done: true, value: undefined })
  }
}
