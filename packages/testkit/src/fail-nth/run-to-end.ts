import type { VirtualClock } from '../clock'

/** How a scenario ended. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'hung'; readonly why: string }

/** How long a scenario may take, in milliseconds of real time. */
export interface TimeLimits {
  /** All of it. */
  readonly timeoutMilliseconds: number
  /** With the machine at rest. */
  readonly hostMilliseconds: number
}

/** Turns of the event loop at rest that are taken one after the other; later ones leave the processor to whom the scenario may wait for. */
const eagerTurns = 100
/** How long a later turn sleeps, in milliseconds. */
const pause = 2
/** What a turn counts for at most, in milliseconds: a host that stood still for a second has not waited for one. */
const longestTurn = 5 * pause

/**
 * Runs a scenario until it ends, or until it never will: it waits, while on its machine there is nothing to come and nothing comes
 * from the host either, or it takes too long for anybody to wait for.
 */
export async function runToEnd(
  run: () => void | Promise<void>,
  clock: VirtualClock,
  limits: TimeLimits,
): Promise<Outcome> {
  let outcome: Outcome | undefined
  start(run).then(
    () => {
      outcome = { kind: 'done' }
    },
    (error) => {
      outcome = { kind: 'failed', error }
    },
  )
  const deadline = performance.now() + limits.timeoutMilliseconds
  const rest = new Rest(clock)
  while (outcome === undefined) {
    await rest.nextTurn()
    if (rest.milliseconds > limits.hostMilliseconds) {
      outcome ??= hung(clock, nothingToCome(limits))
    } else if (performance.now() > deadline) {
      outcome ??= hung(clock, `it goes on after ${limits.timeoutMilliseconds} ms (timeoutMilliseconds)`)
    }
  }
  return outcome
}

/** For how long a machine has been at rest. */
class Rest {
  milliseconds = 0
  readonly #clock: VirtualClock
  #turns = 0

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  /** Lets the event loop go round once. */
  async nextTurn(): Promise<void> {
    const begin = performance.now()
    await (this.#turns < eagerTurns ? nextTurn() : new Promise((resolve) => setTimeout(resolve, pause)))
    if (this.#clock.atRest) {
      this.#turns++
      this.milliseconds += Math.min(performance.now() - begin, longestTurn)
    } else {
      this.#turns = 0
      this.milliseconds = 0
    }
  }
}

function nothingToCome({ hostMilliseconds }: TimeLimits): string {
  return `it waits, and nothing is left on the machine that could end that, nor came from the host in ${hostMilliseconds} ms (hostMilliseconds)`
}

/** Lets everything run that has been started and waits for nothing. */
export async function letSettle(clock: VirtualClock): Promise<void> {
  await clock.settle()
  await nextTurn()
}

async function start(run: () => void | Promise<void>): Promise<void> {
  await run()
}

function hung(clock: VirtualClock, why: string): Outcome {
  clock.abandon()
  return { kind: 'hung', why }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
