import {
  callSite,
  DmaError,
  isDmaError,
  POLLERR,
  POLLHUP,
  type Watch,
  type WatchListener,
} from '@linux-dma/native'
import type { VirtualClock } from '../clock'
import { fail } from '../errors'
import type { OpenFile } from './open-file'

interface Waiter {
  readonly kind: 'poll' | 'watch'
  readonly descriptor: number
  readonly file: OpenFile
  readonly events: number
  readonly begunAt: string
  /** Whether the process must live for this waiter. */
  referenced: boolean
  /** Set when the descriptor is gone: the waiter is told so, whatever the file's state, and then no more. */
  descriptorClosed?: boolean
  /** The descriptor is ready: `revents` came true. */
  ready(revents: number): void
  /** The waiting ends with an error. */
  failed(error: unknown): void
  /** The descriptor was closed: the waiting is over at once, the error follows as an event of its own. */
  closed(): void
}

function readyEvents(file: OpenFile, events: number): number {
  return file.pollMask() & (events | POLLERR | POLLHUP)
}

const closedError = (descriptor: number) =>
  new DmaError('DMA_CLOSED', `descriptor ${descriptor} was closed while it was waited for`, {
    hint: 'close the watch, or abort the poll, before closing its descriptor',
  })

/** Who waits for which descriptor: the polls and watches under way. */
export class Waiters {
  readonly #clock: VirtualClock
  readonly #waiters: Waiter[] = []

  constructor(clock: VirtualClock) {
    this.#clock = clock
    clock.setDelivery(() => this.#deliverOne())
  }

  get size(): number {
    return this.#underWay().length
  }

  /** One line for each poll and watch, in the order of their descriptors: who was told last does not matter. */
  describe(): string[] {
    return this.#underWay()
      .sort((a, b) => a.descriptor - b.descriptor)
      .map(({ kind, descriptor, file, begunAt }) => {
        return `${kind} of descriptor ${descriptor} of ${file.path}, begun ${begunAt}`
      })
  }

  /** Resolves with the bits of `events`, or the error bits, that are true or come true. */
  poll(descriptor: number, file: OpenFile, events: number, signal?: AbortSignal): Promise<number> {
    const ready = readyEvents(file, events)
    if (ready !== 0) return Promise.resolve(ready)
    this.#check(descriptor, file)
    return new Promise((resolve, reject) => {
      const end = () => {
        signal?.removeEventListener('abort', abort)
        this.#remove(waiter)
      }
      const waiter: Waiter = {
        kind: 'poll',
        descriptor,
        file,
        events,
        begunAt: callSite(),
        referenced: true,
        ready: (revents) => {
          end()
          resolve(revents)
        },
        failed: (error) => {
          end()
          reject(error)
        },
        closed: () => waiter.failed(closedError(descriptor)),
      }
      const abort = () => waiter.failed(signal?.reason)
      signal?.addEventListener('abort', abort, { once: true })
      this.#add(waiter)
    })
  }

  /** Hands on a counter's value, read by `read`, each time it is ready. */
  watch(
    descriptor: number,
    file: OpenFile,
    events: number,
    read: () => number,
    listener: WatchListener,
  ): Watch {
    this.#check(descriptor, file)
    let open = true
    const close = () => {
      if (open) this.#remove(waiter)
      open = false
    }
    const waiter: Waiter = {
      kind: 'watch',
      descriptor,
      file,
      events,
      begunAt: callSite(),
      referenced: true,
      ready: () => {
        let count: number
        try {
          count = read()
        } catch (error) {
          // Another reader was first.
          if (!isDmaError(error, 'EAGAIN')) waiter.failed(error)
          return
        }
        listener.onCount(count)
      },
      failed: (error) => {
        close()
        listener.onError(error as Error)
      },
      closed: () => {
        waiter.ready = () => waiter.failed(closedError(descriptor))
        waiter.descriptorClosed = true
        this.#clock.wake()
      },
    }
    const reference = (referenced: boolean) => {
      if (!open || waiter.referenced === referenced) return
      waiter.referenced = referenced
      if (referenced) this.#clock.hold()
      else this.#clock.release()
    }
    this.#add(waiter)
    return { close, ref: () => reference(true), unref: () => reference(false) }
  }

  /** Ends what waits for a descriptor that is being closed. */
  descriptorClosed(descriptor: number): void {
    this.#find(descriptor)?.closed()
  }

  #underWay(): Waiter[] {
    return this.#waiters.filter(({ descriptorClosed }) => !descriptorClosed)
  }

  #find(descriptor: number): Waiter | undefined {
    return this.#waiters.find((one) => one.descriptor === descriptor && !one.descriptorClosed)
  }

  #check(descriptor: number, file: OpenFile): void {
    if (!file.waitable) fail('EPERM', `${file.path} is always ready: it cannot be waited for`)
    if (this.#find(descriptor) !== undefined) {
      fail('EBUSY', `descriptor ${descriptor} is waited for already`, 'close the other watch first')
    }
  }

  #add(waiter: Waiter): void {
    this.#waiters.push(waiter)
    this.#clock.hold()
  }

  #remove(waiter: Waiter): void {
    this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
    if (waiter.referenced) this.#clock.release()
  }

  /** Tells the first waiter that is ready; it goes to the end of the line, so that none can starve the others. */
  #deliverOne(): boolean {
    for (const waiter of this.#waiters) {
      const revents = readyEvents(waiter.file, waiter.events)
      if (revents === 0 && !waiter.descriptorClosed) continue
      this.#waiters.push(...this.#waiters.splice(this.#waiters.indexOf(waiter), 1))
      waiter.ready(revents)
      return true
    }
    return false
  }
}
