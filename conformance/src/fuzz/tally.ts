import type { AnyFamily, Outcome } from './family'
import { kindOfOutcome } from './outcome'

/** How often an operation was answered, was refused, and found nothing to ask for. */
export interface Count {
  answered: number
  refused: number
  idle: number
}

/** What came of each operation of a family: where all is refused, nothing has been compared but refusals. */
export class Tally {
  readonly #counts = new Map<string, Count>()

  constructor(readonly family: AnyFamily) {
    for (const name of Object.keys(family.operations))
      this.#counts.set(name, { answered: 0, refused: 0, idle: 0 })
  }

  add(name: string, outcome: Outcome): void {
    this.#counts.get(name)![kindOfOutcome(outcome)]++
  }

  get counts(): ReadonlyMap<string, Readonly<Count>> {
    return this.#counts
  }

  /** Of all operations. */
  get total(): Count {
    const total = { answered: 0, refused: 0, idle: 0 }
    for (const { answered, refused, idle } of this.#counts.values()) {
      total.answered += answered
      total.refused += refused
      total.idle += idle
    }
    return total
  }

  /** Operations that were never answered although they can be, and those that were although the family says that none is. */
  mistaken(): string[] {
    const { refused = {} } = this.family
    return [...this.#counts]
      .filter(([name, { answered }]) => answered > 0 === Object.hasOwn(refused, name))
      .map(([name]) => name)
  }
}
