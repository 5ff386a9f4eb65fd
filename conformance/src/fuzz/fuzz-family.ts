import fc from 'fast-check'
import { compareProgram, type Difference, type Sides } from './compare'
import type { AnyFamily, Step } from './family'
import { Tally } from './tally'

/** A program that has different outcomes on the two, as short as it was found to be. */
export interface Divergence {
  readonly program: readonly Step[]
  readonly difference: Difference
  /** What the round began with that found it. */
  readonly seed: number
}

export interface FuzzReport {
  readonly family: string
  readonly operations: number
  readonly seed: number
  readonly divergences: readonly Divergence[]
  /** What came of them on the machine that is right. */
  readonly tally: Tally
  readonly milliseconds: number
}

export interface FuzzOptions {
  /** How many to do at least. The last program is brought to its end. */
  readonly operations: number
  /** 0 to 2^31-1: the same seed gives the same programs. */
  readonly seed: number
  /** Told of a program that was found and is to be shortened, which takes its time. */
  readonly onFound?: (difference: Difference) => void
}

/** Programs in a round: fast-check begins each with small values, and goes on to any. */
const PROGRAMS = 25
/** How many divergences are looked for before a family is given up. */
const MOST_DIVERGENCES = 5
const LONGEST = 60
/** How long a program is shortened. One of transfers takes seconds, and there are thousands that are shorter. */
const SHRINKING_MILLISECONDS = 60_000

/** Sends random programs of a family to two kernels until so many operations have been compared. */
export async function fuzzFamily(
  family: AnyFamily,
  sides: Sides,
  { operations, seed, onFound }: FuzzOptions,
): Promise<FuzzReport> {
  const start = performance.now()
  const divergences: Divergence[] = []
  const tally = new Tally(family)
  let count = 0
  let shrinkUntil: number | undefined
  const property = fc.asyncProperty(programsOf(family), async (program) => {
    fc.pre(shrinkUntil === undefined ? count < operations : performance.now() < shrinkUntil)
    const difference = await compareProgram(family, sides, program, (name, outcome) => {
      count++
      tally.add(name, outcome)
    })
    if (!difference) return
    if (shrinkUntil === undefined) {
      shrinkUntil = performance.now() + SHRINKING_MILLISECONDS
      onFound?.(difference)
    }
    throw new DivergenceError(difference)
  })
  for (let round = 0; count < operations && divergences.length < MOST_DIVERGENCES; round++) {
    shrinkUntil = undefined
    const ownSeed = (seed + Math.imul(round, 0x9e37_79b1)) | 0
    const found = await runRound(property, ownSeed)
    if (found) divergences.push(found)
  }
  const milliseconds = performance.now() - start
  return { family: family.name, operations: count, seed, divergences, tally, milliseconds }
}

/** Carries what was found through fast-check, which shrinks what throws. */
class DivergenceError extends Error {
  constructor(readonly difference: Difference) {
    super('the two kernels differ')
  }
}

async function runRound(
  property: fc.IAsyncProperty<[Step[]]>,
  seed: number,
): Promise<Divergence | undefined> {
  // As many programs as were begun: those that come when enough is done are all let go.
  const details = await fc.check(property, { seed, numRuns: PROGRAMS, maxSkipsPerRun: PROGRAMS })
  const [program] = details.counterexample ?? []
  if (!program) return undefined
  const error = details.errorInstance
  // A mistake of the packages or of the family, which is no difference between kernels.
  if (!(error instanceof DivergenceError)) throw error
  return { program, difference: error.difference, seed }
}

/** Programs of a family: at least one step, and mostly many; most begin with what the family knows to be useful. */
export function programsOf(family: AnyFamily): fc.Arbitrary<Step[]> {
  const steps = Object.entries(family.operations).map(([name, { weight, words }]) => ({
    // A whole number: an operation may come as rarely as one of weight 1/8.
    weight: Math.max(1, Math.round(8 * weight)),
    arbitrary: words.map((chosen): Step => [name, chosen]),
  }))
  const maxLength = family.longest ?? LONGEST
  const rest = fc.array(fc.oneof(...steps), { minLength: 1, maxLength, size: 'max' })
  return fc.tuple(beginningsOf(family), rest).map((parts) => parts.flat())
}

/** None in one program of five; of the others, half go on from somewhere within it. */
function beginningsOf({ beginnings = [] }: AnyFamily): fc.Arbitrary<Step[]> {
  const some = beginnings.flatMap((steps) => [
    { weight: 2, arbitrary: fc.constant<Step[]>([...steps]) },
    { weight: 2, arbitrary: fc.nat(steps.length).map((length): Step[] => steps.slice(0, length)) },
  ])
  const none = { weight: Math.max(1, beginnings.length), arbitrary: fc.constant<Step[]>([]) }
  return fc.oneof(none, ...some)
}
