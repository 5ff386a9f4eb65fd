import type fc from 'fast-check'
import type { Host } from '../host'
import type { MachineKind } from '../suite'

/** What came of an operation, as plain data: the same on both kernels, or one of them is wrong. */
export type Outcome =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | readonly Outcome[]
  | { readonly [key: string]: Outcome }

/** What an operation may give: nothing counts as an outcome, too. */
// biome-ignore lint/suspicious/noConfusingVoidType: the verbs of a kernel that answer nothing are of type void
export type Answer = Outcome | void | Promise<Outcome | void>

/** One kind of operation: what it may be told, and how it is done. */
export interface Operation<World> {
  /** How often it comes, beside the others. */
  readonly weight: number
  /** Plain data, so that a program can be shrunk and printed. */
  readonly words: fc.Arbitrary<object>
  /** Does it. A `DmaError` that it throws is its outcome. Of what is chance, such as an address, nothing may be told. */
  run(words: object, world: World): Answer
}

/**
 * An operation whose words are of a type.
 * @param weight 1 by default
 */
export function operation<World, Words extends object>(
  words: fc.Arbitrary<Words>,
  run: (words: Words, world: World) => Answer,
  weight = 1,
): Operation<World> {
  return { weight, words, run: run as Operation<World>['run'] }
}

/** Operations that meet each other's effects: a program of them is run on two kernels, and has the same outcomes on both. */
export interface Family<World> {
  readonly name: string
  /** The machine that it needs. */
  readonly machineKind: MachineKind
  /** Operations that a program has at most: 60 by default. */
  readonly longest?: number
  /** What a program begins with. It is called anew for each; the machine is the same for all. */
  setUp(host: Host): World | Promise<World>
  /** Closes all that the program has opened and leaves the machine as it was. */
  tearDown(world: World): void | Promise<void>
  readonly operations: { readonly [name: string]: Operation<World> }
  /** Steps that most programs begin with, some of them or all, so that what comes after them has something to work on. */
  readonly beginnings?: readonly (readonly Step[])[]
  /** Operations that no kernel answers here but by an error, and why. */
  readonly refused?: { readonly [name: string]: string }
  /** What is compared once more when a program has come to its end, and before all is closed. */
  observe?(world: World): Answer
}

/** A family of any world: whoever runs it hands on what `setUp` gave. */
// biome-ignore lint/suspicious/noExplicitAny: a world is only ever given back to the family that made it
export type AnyFamily = Family<any>

/** An operation's name, and its words. */
export type Step = readonly [name: string, words: object]
