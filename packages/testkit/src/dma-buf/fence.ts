import type { VirtualClock } from '../clock'

/** The moment that work of a device ends at (struct dma_fence). */
export interface Fence {
  readonly driver: string
  readonly timeline: string
  readonly context: number
  readonly sequence: number
  /** 0: pending. 1: over. Negative: over, with that errno. */
  readonly status: number
  /** The fences that it is made of: itself, where it is made of no others. */
  readonly parts: readonly PlainFence[]
  /** Somebody begins to wait for it. */
  watch(): void
}

/** A fence that is made of no others. */
export class PlainFence implements Fence {
  readonly driver: string
  readonly timeline: string
  readonly context: number
  readonly sequence: number
  readonly #clock: VirtualClock
  readonly #listeners: (() => void)[] = []
  #status = 0
  #timestamp = 0n

  constructor(name: Pick<Fence, 'driver' | 'timeline' | 'context' | 'sequence'>, clock: VirtualClock) {
    this.driver = name.driver
    this.timeline = name.timeline
    this.context = name.context
    this.sequence = name.sequence
    this.#clock = clock
  }

  /** What stands for no fence at all: over from the start. */
  static stub(clock: VirtualClock, timestamp = nanoseconds(clock)): PlainFence {
    const fence = new PlainFence({ driver: 'stub', timeline: 'stub', context: 0, sequence: 0 }, clock)
    fence.signal(0, timestamp)
    return fence
  }

  get status(): number {
    return this.#status
  }

  /** When it was over, in nanoseconds of the machine's clock; 0 before. */
  get timestamp(): bigint {
    return this.#timestamp
  }

  get parts(): readonly PlainFence[] {
    return [this]
  }

  watch(): void {}

  /** Calls `listener` when it is over. */
  onSignal(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** The work is over: `error` is 0, or a negative errno. The first call counts. */
  signal(error: number, timestamp = nanoseconds(this.#clock)): void {
    if (this.#status !== 0) return
    this.#status = error === 0 ? 1 : error
    this.#timestamp = timestamp
    for (const listener of this.#listeners.splice(0)) listener()
    this.#clock.wake()
  }
}

function nanoseconds(clock: VirtualClock): bigint {
  return BigInt(Math.round(clock.now() * 1e6))
}
