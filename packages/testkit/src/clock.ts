import type { Clock } from '@linux-dma/native'
import { checkMilliseconds } from './arguments'

/** Something that will happen on a {@link VirtualClock}. */
export interface ScheduledEvent {
  /** Virtual time at which it happens, in milliseconds. */
  readonly time: number
  /** Keeps it from happening. Idempotent. */
  cancel(): void
}

interface QueuedEvent extends ScheduledEvent {
  readonly sequence: number
  readonly run: () => void
}

/** A clock that moves when it is told to, or when all that is left to do is wait. */
export interface FakeClock extends Clock {
  /** Runs `run` once, `delay` milliseconds of virtual time (0 or more) from now. */
  schedule(delay: number, run: () => void): ScheduledEvent
  /** Moves time forward by `milliseconds`, running what is due on the way, in order. */
  advance(milliseconds: number): void
  /** Resolves when every readable watch and poll has been told and what they started has run. Moves no time. */
  settle(): Promise<void>
}

/** The longest that a real timer waits, in milliseconds: 24 days. */
const longestTimer = 2 ** 31 - 1

/**
 * Virtual time: a queue of events in the order of their time, then of their making. It reads no real clock, and no real
 * timer has a say in it, so that a run depends on nothing but the program.
 *
 * While somebody waits, a pump on `setImmediate` first tells one waiter whose descriptor is readable; only when
 * there is none does it move time to the next event. Handlers and promises thus run before time goes on. Where there is
 * no event either, the pump rests, and a timer that does nothing keeps the process alive: somebody waits, as on Linux,
 * and what ends that can only come from outside.
 */
export class VirtualClock implements FakeClock {
  readonly #autoAdvance: boolean
  readonly #queue: QueuedEvent[] = []
  #now = 0
  #sequence = 0
  /** Waiters that keep the process alive: sleeps, polls, watches that are not `unref()`ed. */
  #holds = 0
  #immediate: NodeJS.Immediate | undefined
  /** Keeps the process alive while somebody waits and nothing is scheduled that could end it. */
  #vigil: NodeJS.Timeout | undefined
  #deliver: () => boolean = () => false

  constructor(autoAdvance: boolean) {
    this.#autoAdvance = autoAdvance
  }

  now(): number {
    return this.#now
  }

  sleep(milliseconds: number, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      checkMilliseconds(milliseconds, 'milliseconds')
      signal?.throwIfAborted()
      const settle = () => {
        signal?.removeEventListener('abort', abort)
        this.release()
      }
      const event = this.schedule(milliseconds, () => {
        settle()
        resolve()
      })
      const abort = () => {
        event.cancel()
        settle()
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.hold()
    })
  }

  schedule(delay: number, run: () => void): ScheduledEvent {
    checkMilliseconds(delay, 'delay')
    const queue = this.#queue
    const event: QueuedEvent = {
      time: this.#now + delay,
      sequence: this.#sequence++,
      run,
      cancel: () => {
        const index = queue.indexOf(event)
        if (index >= 0) queue.splice(index, 1)
      },
    }
    // Events mostly come in the order of their time: look for the place from the end.
    let index = queue.length
    while (index > 0 && queue[index - 1]!.time > event.time) index--
    queue.splice(index, 0, event)
    this.wake()
    return event
  }

  advance(milliseconds: number): void {
    const target = this.#now + checkMilliseconds(milliseconds, 'milliseconds')
    for (let next = this.#queue[0]; next !== undefined && next.time <= target; next = this.#queue[0]) {
      this.#runNext(next)
    }
    // An event may itself have spent time beyond the target.
    this.#now = Math.max(this.#now, target)
  }

  async settle(): Promise<void> {
    do {
      await new Promise((resolve) => setImmediate(resolve))
    } while (this.#deliver())
    await new Promise((resolve) => setImmediate(resolve))
  }

  /**
   * Moves to the next event and runs it: what waiting in the middle of a system call comes to. False where there is none, or
   * where time does not move by itself.
   */
  step(): boolean {
    const next = this.#queue[0]
    if (next === undefined || !this.#autoAdvance) return false
    this.#runNext(next)
    return true
  }

  /** Whether nothing will happen until something comes from outside: nobody to tell, and no time that moves. */
  get atRest(): boolean {
    return this.#immediate === undefined
  }

  /** Whether anything is scheduled. */
  get awaitsEvents(): boolean {
    return this.#queue.length > 0
  }

  /** Lets the process end in spite of all who wait: they wait for nothing. */
  abandon(): void {
    this.#queue.length = 0
    this.#holds = 0
    this.#immediate?.unref()
    clearTimeout(this.#vigil)
  }

  /** Sets what tells one readable waiter, and says whether there was one. */
  setDelivery(deliver: () => boolean): void {
    this.#deliver = deliver
  }

  /** Counts one more waiter that the process must live for. */
  hold(): void {
    this.#holds++
    this.#immediate?.ref()
    this.wake()
  }

  /** Takes back one `hold()`. */
  release(): void {
    // Those of an abandoned clock are counted no more.
    this.#holds = Math.max(0, this.#holds - 1)
    if (this.#holds > 0) return
    this.#immediate?.unref()
    clearTimeout(this.#vigil)
    this.#vigil = undefined
  }

  /** Makes the pump look again: something became readable or was scheduled. */
  wake(): void {
    if (this.#immediate !== undefined) return
    this.#immediate = setImmediate(() => this.#pump())
    if (this.#holds === 0) this.#immediate.unref()
  }

  #pump(): void {
    this.#immediate = undefined
    // What a listener throws is the program's own error; the pump goes on after it.
    try {
      if (this.#deliver()) {
        this.wake()
        return
      }
      if (this.#holds === 0) return
      const next = this.#queue[0]
      if (next !== undefined && (this.#autoAdvance || next.time <= this.#now)) {
        this.wake()
        this.#runNext(next)
      } else {
        // Of a function that knows nothing of the clock, so that it keeps no machine from being collected.
        this.#vigil ??= setTimeout(doNothing, longestTimer)
      }
    } catch (error) {
      this.wake()
      throw error
    }
  }

  #runNext(event: QueuedEvent): void {
    this.#queue.shift()
    this.#now = Math.max(this.#now, event.time)
    event.run()
  }
}

function doNothing(): void {}
