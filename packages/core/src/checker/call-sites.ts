import { callSite } from '@linux-dma/native'

/** Frames of the program that a report has of each place. The kernel's has five, of which most are its own. */
const FRAMES = 4
/**
 * To find out where a call came from takes longer than the rest of a transfer: it is done for so many, then for some. A transfer has
 * two, a map and an unmap: few tests have as many, and those that have are not to wait for it.
 */
const FIRST = 2 ** 13
const ONE_IN = 64
/** More distinct places than any driver has. */
const MOST_PLACES = 4096
/** How many are told where it is not known which of them it was. */
const MOST_TOLD = 4

/** Stands for a place that was passed before anybody took places down. */
export const EARLIER = -1

/** Where things were mapped, as small numbers. */
export class CallSites {
  /** Whether all are found out. */
  readonly every: boolean
  readonly #first: number
  readonly #numbers = new Map<string, number>()
  readonly #texts: string[] = []
  #asked = 0

  /** @param every find out each time, and not only for the first and then some */
  constructor(every: boolean, first = FIRST) {
    this.every = every
    this.#first = first
  }

  /** The place that the program called from: 1 or more; 0 where it was not taken down. @param isWanted whether it has to be */
  here(isWanted = false): number {
    const asked = this.#asked++
    if (!this.every && !isWanted && asked >= this.#first && asked % ONE_IN !== 0) return 0
    const text = callSite(FRAMES)
    let number = this.#numbers.get(text)
    if (number === undefined) {
      if (this.#texts.length >= MOST_PLACES) return 0
      number = this.#texts.push(text)
      this.#numbers.set(text, number)
    }
    return number
  }

  /** What a number stands for. */
  textOf(number: number): string {
    if (number === EARLIER) return 'before the checker was set'
    if (number > 0) return this.#texts[number - 1]!
    const places = this.#texts.slice(0, MOST_TOLD).map((text) => text.split('\n')[0])
    // It may be one that was never seen.
    const one = places.length === 0 ? '' : `, maybe ${places.join(', or ')}, or elsewhere`
    return `at a place that was not taken down${one}: callSites: 'all' takes down each`
  }
}
