import { assertMilliseconds, assertOptions, closeAll, DmaError, type Kernel } from '@linux-dma/core'
import type { Watch } from '@linux-dma/native'
import * as vfio from './constants'
import type { ChosenInterrupts, InterruptKind } from './interrupt-kind'
import { encodeIrqSet } from './structs'

/** One delivery: interrupts that came before it was read are counted together, none is lost. */
export interface Interrupt {
  readonly vector: number
  /** How many times the vector fired since its last delivery: 1 or more. */
  readonly count: number
}

/** Where interrupts come from. */
export interface InterruptSource {
  readonly kernel: Kernel
  /** The device's descriptor. */
  readonly fd: number
  /** Whether an interrupt of the device could get through now. */
  canSignal(): boolean
}

/** What a waiter is rejected with when its time is up. */
const TIME_IS_UP = Symbol('time is up')

interface Waiter {
  resolve(result: IteratorResult<Interrupt, undefined>): void
  reject(reason: unknown): void
}

/**
 * A device's interrupts as an async iterator, enabled from the moment this is made, so that one that comes before the
 * first `next()` is kept. INTx is masked by the kernel at each interrupt and unmasked here when the next is asked for:
 * clear the cause in the device in between.
 */
export class InterruptStream implements AsyncIterableIterator<Interrupt>, Disposable, AsyncDisposable {
  readonly kind: InterruptKind
  readonly #source: InterruptSource
  readonly #chosen: ChosenInterrupts
  readonly #signal: AbortSignal | undefined
  readonly #eventfds: number[] = []
  readonly #watches: Watch[] = []
  readonly #onClose: () => void
  /** Interrupts of each vector that nobody has taken yet. */
  readonly #pending: Float64Array
  #pendingTotal = 0
  #nextVector = 0
  #waiter: Waiter | undefined
  #failure: { reason: unknown } | undefined
  /** By the kernel, since an interrupt came; ended when the next is asked for. */
  #autoMasked = false
  /** By `mask()`; ended by `unmask()` only. */
  #masked = false
  #closed = false

  constructor(
    source: InterruptSource,
    chosen: ChosenInterrupts,
    signal: AbortSignal | undefined,
    onClose: () => void,
  ) {
    signal?.throwIfAborted()
    this.#source = source
    this.#chosen = chosen
    this.#signal = signal
    this.#onClose = onClose
    this.#pending = new Float64Array(chosen.vectors)
    this.kind = chosen.kind
    try {
      for (let vector = 0; vector < chosen.vectors; vector++) this.#watch(vector)
      this.#set(vfio.VFIO_IRQ_SET_DATA_EVENTFD | vfio.VFIO_IRQ_SET_ACTION_TRIGGER, this.#eventfds)
    } catch (error) {
      this.#releaseDescriptors()
      throw error
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Interrupts that came and that nobody has taken yet. */
  get pending(): number {
    return this.#pendingTotal
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
      if (this.#autoMasked && !this.#masked) this.#unmaskOrFail()
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
      this.#source.kernel.clock.sleep(timeoutMilliseconds, { signal: timer.signal }).then(expired, () => {})
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

  /**
   * Holds back further INTx interrupts. MSI and MSI-X vectors cannot be masked through VFIO.
   * @throws DMA_NOT_MASKABLE, DMA_CLOSED
   */
  mask(): void {
    this.#assertMaskable()
    this.#set(vfio.VFIO_IRQ_SET_DATA_NONE | vfio.VFIO_IRQ_SET_ACTION_MASK, 1)
    this.#masked = true
  }

  /** Lets INTx interrupts through again. @throws DMA_NOT_MASKABLE, DMA_CLOSED */
  unmask(): void {
    this.#assertMaskable()
    this.#unmask()
    this.#masked = false
  }

  /**
   * Makes an interrupt in the device's stead, to try a handler out. Mirrors what VFIO calls loopback.
   * @param vector one of those that are enabled
   * @throws DMA_INVALID_ARGUMENT, DMA_CLOSED
   */
  trigger(vector = 0): void {
    if (this.#closed) throw closedError()
    if (!(Number.isInteger(vector) && vector >= 0 && vector < this.#chosen.vectors)) {
      throw new DmaError('DMA_INVALID_ARGUMENT', `trigger: vector ${String(vector)} is not enabled`, {
        hint: `0 to ${this.#chosen.vectors - 1} are; ask for more with interrupts({ vectors: n })`,
      })
    }
    this.#set(vfio.VFIO_IRQ_SET_DATA_NONE | vfio.VFIO_IRQ_SET_ACTION_TRIGGER, 1, vector)
  }

  /** Disables the interrupts and ends the iteration. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#pendingTotal = 0
    this.#signal?.removeEventListener('abort', this.#onAbort)
    closeAll([
      () => this.#set(vfio.VFIO_IRQ_SET_DATA_NONE | vfio.VFIO_IRQ_SET_ACTION_TRIGGER, 0),
      () => this.#releaseDescriptors(),
      () => this.#onClose(),
      () => this.#settle(),
    ])
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  readonly #onAbort = (): void => this.#fail(this.#signal!.reason)

  #watch(vector: number): void {
    const eventfd = this.#source.kernel.eventfd()
    this.#eventfds.push(eventfd)
    const listener = {
      onCount: (count: number) => this.#deliver(vector, count),
      onError: (error: Error) => this.#fail(error),
    }
    this.#watches.push(this.#source.kernel.watch(eventfd, 8, listener))
  }

  #deliver(vector: number, count: number): void {
    if (this.kind === 'intx') this.#autoMasked = true
    this.#pending[vector]! += count
    this.#pendingTotal += count
    const waiter = this.#waiter
    if (!waiter) return
    this.#waiter = undefined
    waiter.resolve({ done: false, value: this.#take() })
  }

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

  #fail(reason: unknown): void {
    if (this.#closed) return
    this.#failure = { reason }
    try {
      this.close()
    } catch {
      // Whoever waits has been told the reason; that a device which is gone cannot be quieted adds nothing to it.
    }
  }

  #expire(waiter: Waiter): void {
    if (this.#waiter !== waiter) return
    // The thread may have been busy until now: what is in the counters came in time.
    this.#collect()
    if (this.#waiter !== waiter) return
    this.#waiter = undefined
    waiter.reject(TIME_IS_UP)
  }

  #timedOut(milliseconds: number): DmaError {
    return new DmaError('ETIMEDOUT', `no ${this.kind} interrupt within ${milliseconds} ms`, {
      hint: this.#source.canSignal()
        ? 'check that the device was started with its interrupt enabled, and that the last one was acknowledged'
        : 'bus mastering is off, so the device cannot send one: call device.setMaster()',
    })
  }

  /** Takes what the event loop has not delivered yet. */
  #collect(): void {
    const bytes = new Uint8Array(8)
    for (const [vector, eventfd] of this.#eventfds.entries()) {
      try {
        this.#source.kernel.read(eventfd, bytes)
      } catch {
        continue // nothing there
      }
      this.#deliver(vector, Number(new DataView(bytes.buffer).getBigUint64(0, true)))
    }
  }

  #unmaskOrFail(): void {
    try {
      this.#unmask()
    } catch (error) {
      this.#fail(error)
    }
  }

  #unmask(): void {
    this.#set(vfio.VFIO_IRQ_SET_DATA_NONE | vfio.VFIO_IRQ_SET_ACTION_UNMASK, 1)
    this.#autoMasked = false
  }

  #assertMaskable(): void {
    if (this.#closed) throw closedError()
    if (this.#chosen.info.flags & vfio.VFIO_IRQ_INFO_MASKABLE) return
    throw new DmaError('DMA_NOT_MASKABLE', `VFIO cannot mask ${this.kind}`, {
      hint: 'mask the interrupt in the device’s own registers',
    })
  }

  #set(flags: number, vectors: readonly number[] | number, start = 0): void {
    const argument = encodeIrqSet(this.#chosen.info.index, flags, vectors, start)
    this.#source.kernel.ioctl(this.#source.fd, vfio.VFIO_DEVICE_SET_IRQS, argument, 'VFIO_DEVICE_SET_IRQS')
  }

  #settle(): void {
    const waiter = this.#waiter
    this.#waiter = undefined
    if (this.#failure) waiter?.reject(this.#failure.reason)
    else waiter?.resolve({ done: true, value: undefined })
  }

  #releaseDescriptors(): void {
    closeAll([
      ...this.#watches.splice(0).map((watch) => () => watch.close()),
      ...this.#eventfds.splice(0).map((eventfd) => () => this.#source.kernel.close(eventfd)),
    ])
  }
}

function closedError(): DmaError {
  return new DmaError('DMA_CLOSED', 'the interrupt stream is closed')
}
