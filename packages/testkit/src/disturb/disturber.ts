import type { FakeClock } from '../clock'
import type { AttachedModel } from '../models/attached-model'
import type { Random } from '../prng'
import type { Interference } from './interference'
import { DISTURBED } from './kinds'
import type { Disturbance, DisturbanceHit, DisturbanceTiming } from './options'
import { Timing } from './timing'

/** What a disturbance works on. */
export interface DisturbedParts {
  readonly device: AttachedModel
  readonly clock: FakeClock
  /** A stream of its own, so that devices get the numbers that they get without it. */
  readonly random: Random
  /** Pulls the device out. */
  readonly remove: () => void
}

/** Something that is held back. */
export interface Held {
  cancel(): void
  run(): void
}

/** A disturbance of one device: which ones it hits, what it holds back, and the record of it. */
export abstract class Disturber implements Disturbance, Interference {
  readonly hits: DisturbanceHit[] = []
  protected readonly parts: DisturbedParts
  readonly #timing: Timing
  readonly #held = new Set<Held>()
  #stopped = false

  constructor(options: DisturbanceTiming, parts: DisturbedParts) {
    this.parts = parts
    this.#timing = new Timing(options, parts.clock, parts.random)
    parts.device.interferences.add(this)
  }

  get count(): number {
    return this.hits.length
  }

  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.parts.device.interferences.remove(this)
    for (const held of [...this.#held]) held.run()
  }

  [Symbol.dispose](): void {
    this.stop()
  }

  /** What was held back is forgotten. */
  reset(): void {
    for (const held of [...this.#held]) held.cancel()
  }

  /** Whether its time is now, and it has not struck often enough. */
  protected get active(): boolean {
    return !this.#stopped && this.#timing.active
  }

  /** Counts one that could be hit, and says whether it is. */
  protected strikes(): boolean {
    return !this.#stopped && this.#timing.strikes()
  }

  /** Whether a driver cannot know from then on what the device does: what that does wrong is not the driver's doing. */
  protected get misleads(): boolean {
    return true
  }

  /** Puts down what was done. */
  protected note(what: string): void {
    if (this.misleads) this.parts.device.mislead()
    this.hits.push({ time: this.parts.clock.now(), what })
    this.parts.device.log(`${DISTURBED}${what}`)
  }

  /** Does something `milliseconds` from now, or when the disturbance is stopped, unless the device is reset before. */
  protected hold(milliseconds: number, run: () => void): Held {
    const end = () => {
      this.#held.delete(held)
      event.cancel()
    }
    const held: Held = {
      cancel: end,
      run: () => {
        end()
        run()
      },
    }
    this.#held.add(held)
    const event = this.parts.clock.schedule(milliseconds, held.run)
    return held
  }
}
