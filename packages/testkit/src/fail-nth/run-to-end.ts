import type { VirtualClock } from '../clock'

/** How a scenario ended. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'hung'; readonly why: string }

/** How long a machine may rest, in milliseconds of real time, before nothing more is expected from outside of it. */
const longestRest = 250
/** The same in turns of the event loop, for where those are slow. */
const mostTurnsAtRest = 100

/**
 * Runs a scenario until it ends, or until it never will: it waits, while on its machine there is nothing to come, or it takes too
 * long for anybody to wait for.
 */
export async function runToEnd(
  run: () => void | Promise<void>,
  clock: VirtualClock,
  timeoutMilliseconds: number,
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
  const deadline = performance.now() + timeoutMilliseconds
  let restingSince: number | undefined
  for (let turns = 0; outcome === undefined; turns++) {
    await nextTurn()
    if (!clock.atRest) restingSince = undefined
    if (restingSince === undefined) {
      restingSince = performance.now()
      turns = 0
    }
    const now = performance.now()
    if (turns > mostTurnsAtRest && now - restingSince > longestRest) {
      outcome ??= hung(clock, 'it waits, and nothing is left on the machine that could end that')
    } else if (now > deadline) {
      outcome ??= hung(clock, `it goes on after ${timeoutMilliseconds} ms`)
    }
  }
  return outcome
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
