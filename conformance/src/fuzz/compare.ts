import { isDeepStrictEqual } from 'node:util'
import type { Host } from '../host'
import type { AnyFamily, Outcome, Step } from './family'
import { beginProgram, type Run } from './run-program'

/** The machine whose answers are right, and the fake that is held to them. */
export interface Sides {
  readonly reference: Host
  readonly fake: Host
}

/** Where two kernels answered differently. */
export interface Difference {
  /** Index of the step; or what is looked at once all of them are done. */
  readonly at: number | 'the end' | 'what is left open'
  /** What the machine that is right answered to each step up to there. */
  readonly outcomes: readonly Outcome[]
  readonly reference: Outcome
  readonly fake: Outcome
}

/** Is told of each step, and what the machine that is right answered to it. */
export type StepListener = (name: string, outcome: Outcome) => void

/** Runs a program on both, step by step side by side, up to the first difference. */
export async function compareProgram(
  family: AnyFamily,
  { reference, fake }: Sides,
  program: readonly Step[],
  onStep: StepListener = () => {},
): Promise<Difference | undefined> {
  const runs = [await beginProgram(family, reference), await beginProgram(family, fake)] as const
  let found: Difference | undefined
  let left: Difference | undefined
  try {
    found = await compareSteps(runs, program, onStep)
  } finally {
    // Also after a difference: the next program begins with nothing open.
    left = await ask(runs, 'what is left open', [], (run) => run.end())
  }
  return found ?? left
}

async function compareSteps(
  runs: readonly [Run, Run],
  program: readonly Step[],
  onStep: StepListener,
): Promise<Difference | undefined> {
  const outcomes: Outcome[] = []
  for (const [index, step] of program.entries()) {
    const difference = await ask(runs, index, outcomes, (run) => run.step(step))
    onStep(step[0], outcomes[index])
    if (difference) return difference
  }
  return ask(runs, 'the end', outcomes, (run) => run.observe())
}

/** Asks one machine and then the other. What the first says to a step is added to `outcomes`. */
async function ask(
  [right, other]: readonly [Run, Run],
  at: Difference['at'],
  outcomes: Outcome[],
  question: (run: Run) => Promise<Outcome>,
): Promise<Difference | undefined> {
  const reference = await question(right)
  if (typeof at === 'number') outcomes.push(reference)
  const fake = await question(other)
  return reference === fake || isDeepStrictEqual(reference, fake)
    ? undefined
    : { at, outcomes, reference, fake }
}
