/** What a value is that a model gave: as it should be, not yet so, or never so. */
export type ReadOutcome = 'agrees' | 'late' | 'differs'

/** Values one after the other that were the same. */
interface Stretch {
  readonly value: bigint
  reads: number
}

/**
 * Reads of one register between which the driver did nothing. Where they look like waiting for a value, a model may be slower or faster
 * than the recorded device was: it gives the same values in the same order, but not each as often. All else is compared read by read,
 * since to read a FIFO again would take the next value of it.
 */
export class ReadRun {
  /** Whether somebody said that it is polled, or that it is not. */
  readonly said: boolean | undefined
  readonly #stretches: Stretch[] = []
  /** For each read, which stretch it is of. */
  readonly #stretchOf: number[] = []
  /** The stretch that the model is in: it never goes back. */
  #position = 0

  constructor(said: boolean | undefined) {
    this.said = said
  }

  /** A read was recorded. @returns its number in the run */
  add(value: bigint): number {
    const last = this.#stretches.at(-1)
    if (last?.value === value) last.reads++
    else this.#stretches.push({ value, reads: 1 })
    return this.#stretchOf.push(this.#stretches.length - 1) - 1
  }

  /** Compares what the model gave to a read, and goes forward to it. */
  take(read: number, value: bigint): ReadOutcome {
    const recorded = this.#stretchOf[read]!
    const isSame = this.#stretches[recorded]!.value === value
    if (!this.#isPolled) return isSame ? 'agrees' : 'differs'
    const found = isSame && recorded >= this.#position ? recorded : this.#next(value)
    if (found < 0 && this.said === undefined) return 'differs'
    if (found >= 0) this.#position = found
    // The driver goes on with what the last read gives: until then, it reads again by itself.
    const isLast = read === this.#stretchOf.length - 1
    return isLast && found < recorded ? 'late' : 'agrees'
  }

  /** The stretch with a value at the position or behind it; -1 where there is none. */
  #next(value: bigint): number {
    return this.#stretches.findIndex((stretch, index) => index >= this.#position && stretch.value === value)
  }

  /** A driver that waits reads each value again and again, but the one that it waits for. Of two reads, one may be enough. */
  get #isPolled(): boolean {
    const reads = this.#stretchOf.length
    return (
      this.said ?? (reads === 2 || (reads > 2 && this.#stretches.slice(0, -1).every((one) => one.reads > 1)))
    )
  }
}
