import type { FakeClock } from '../clock'
import type { Random } from '../prng'
import type { DisturbanceTiming } from './options'

/** Says which ones are hit. */
export class Timing {
  readonly #options: DisturbanceTiming
  readonly #clock: FakeClock
  readonly #random: Random
  readonly #start: number
  readonly #end: number
  #seen = 0
  #struck = 0

  constructor(options: DisturbanceTiming, clock: FakeClock, random: Random) {
    const { afterMilliseconds = 0, forMilliseconds = Number.POSITIVE_INFINITY } = options
    this.#options = options
    this.#clock = clock
    this.#random = random
    this.#start = clock.now() + afterMilliseconds
    this.#end = this.#start + forMilliseconds
  }

  /** Whether now lies in the time that it is about. */
  get active(): boolean {
    const now = this.#clock.now()
    const { atMost = Number.POSITIVE_INFINITY } = this.#options
    return now >= this.#start && now < this.#end && this.#struck < atMost
  }

  /** Counts one, and says whether it is hit. */
  strikes(): boolean {
    if (!this.active) return false
    const strikes = this.#chosen(++this.#seen)
    if (strikes) this.#struck++
    return strikes
  }

  #chosen(number: number): boolean {
    const { nth, every, probability } = this.#options
    if (nth !== undefined) return number === nth
    if (every !== undefined) return number % every === 0
    return probability === undefined || this.#random.uint32() < probability * 2 ** 32
  }
}
