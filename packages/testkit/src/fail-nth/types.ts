import type { FakeMachine } from '../machine'
import type { FakeMachineOptions } from '../machine-options'

/** A program, or a part of one, on a machine that has its devices. */
export type FailNthScenario = (machine: FakeMachine) => void | Promise<void>

/** A system call that a scenario makes. */
export interface FailNthCall {
  /** As an error's `syscall` names it. */
  readonly syscall: string
  /** Which one of that name: 1 for the first. */
  readonly nth: number
  /** The file that it names. */
  readonly path: string | undefined
  /** Where the program made it. */
  readonly at: string
  /** The same all the way down through the packages, innermost first, a frame on each line. */
  readonly stack: string
}

/** One run with one call failing. */
export interface FailNthRun extends FailNthCall {
  /** The errno's name. */
  readonly code: string
  /** What the scenario ended with; undefined where it coped. */
  readonly error: unknown
  /** What is wrong with how it went: empty where nothing is. */
  readonly wrong: readonly string[]
}

/** A run that went wrong. */
export interface FailNthFailure extends FailNthRun {
  /** What is wrong, as one text. */
  readonly what: string
}

/** How {@link failNth} goes about it. Every option has a default; a misspelled name throws. */
export interface FailNthOptions {
  /** What the machines are like: options of `createFakeMachine()`. */
  machine?: FakeMachineOptions
  /** Plugs in devices and does what else comes before the scenario: its calls do not fail. */
  prepare?: FailNthScenario
  /**
   * Which calls are to fail: names of system calls as errors have them (`mmap`, `ioctl(VFIO_IOMMU_MAP_DMA)`), verbs of `Kernel`
   * (`mapRegisters`, `ioctl`), patterns. All by default.
   */
  verbs?: readonly (string | RegExp)[]
  /**
   * What they fail with: names of errnos, or what says them for a call. By default all that Linux can answer there, as
   * {@link linuxErrnos} has them; `'one'`: one of those, in turn.
   */
  errnos?: readonly string[] | 'one' | ((call: FailNthCall) => readonly string[])
  /**
   * Has each place in the code fail once with each errno, by the first call from there: those that a loop makes are all from the same
   * one. False by default: each call fails.
   */
  oncePerPlace?: boolean
  /**
   * Takes an error that is none of these packages' for a clear one where it answers true: a driver's own class, or what a test
   * asserted.
   */
  isClear?: (error: unknown) => boolean
  /** Lets a scenario use DMA wrongly, and devices reach for what they do not have. False by default. */
  allowDmaErrors?: boolean
  /** Milliseconds, of real time, that one run may take. 10,000 by default. */
  timeoutMilliseconds?: number
  /**
   * How long a scenario may wait for something outside of the machine, a timer, file, socket or worker of the host, in milliseconds
   * of real time while the machine is at rest. What waits longer hangs. 2,000 by default; turns of the event loop that a loaded host
   * was slow to take count less.
   */
  hostMilliseconds?: number
  /** Told of each run when it is over. */
  onRun?: (run: FailNthRun) => void
  /** Returns the failures in place of throwing them. False by default. */
  collect?: boolean
}

/** What came of it. */
export interface FailNthResult {
  /** What the scenario calls where nothing fails, in order. */
  readonly calls: readonly FailNthCall[]
  /** How often it ran with a call failing. */
  readonly runs: number
  /** In how many of them it got to its end all the same. */
  readonly coped: number
  /** Where it went wrong: empty, unless they are collected. */
  readonly failures: readonly FailNthFailure[]
}
