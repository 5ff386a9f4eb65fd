import { checkInteger, checkOptionNames } from './arguments'
import { type ErrnoName, fail, invalidArgument, isErrnoName } from './errors'
import { syscallNames } from './fail-nth/verbs'

/** Which system call is to fail, and how: see {@link FakeMachine.failCall}. */
export interface PlannedFailure {
  /** As an error's `syscall` names it: `mmap`, `eventfd`, `ioctl(VFIO_IOMMU_MAP_DMA)`. */
  readonly syscall: string
  /** Which of the coming calls fails: 1, the default, is the next one. */
  readonly nth?: number
  /** The errno's name, such as `ENOMEM`. */
  readonly code: string
}

/** Told of a system call before anything comes of it: its name, and what it names. */
export type CallListener = (syscall: string, path: string | undefined) => void

/** System calls that are to fail although nothing is wrong: how a program's error paths are tested. */
export class FaultPlan {
  readonly #pending: { syscall: string; countdown: number; code: ErrnoName }[] = []
  #onCall: CallListener | undefined

  add(failure: PlannedFailure): void {
    checkOptionNames(failure, ['syscall', 'nth', 'code'], 'failCall')
    const { syscall, nth = 1, code } = failure
    // One that is never made would fail nothing, and the test be about nothing.
    if (!syscallNames.includes(syscall) && !/^ioctl\(.+\)$/.test(syscall))
      invalidArgument(
        `no system call of the fake kernel is named '${syscall}'`,
        `one of ioctl(REQUEST), ${syscallNames.join(', ')}`,
      )
    checkInteger(nth, 'nth', 1)
    if (!isErrnoName(code)) invalidArgument(`the fake kernel knows no errno '${code}'`)
    this.#pending.push({ syscall, countdown: nth, code })
  }

  /** Has each call told from now on; undefined for nobody. */
  observe(onCall: CallListener | undefined): void {
    this.#onCall = onCall
  }

  /** How many failures are still to come. */
  get pending(): number {
    return this.#pending.length
  }

  /** Counts a call, and fails it when its time has come. */
  check(syscall: string, path?: string): void {
    this.#onCall?.(syscall, path)
    if (this.#pending.length === 0) return
    let code: ErrnoName | undefined
    for (const planned of this.#pending) {
      if (planned.syscall !== syscall) continue
      planned.countdown--
      if (planned.countdown === 0) code ??= planned.code
    }
    if (code === undefined) return
    const left = this.#pending.filter((planned) => planned.countdown > 0)
    this.#pending.splice(0, this.#pending.length, ...left)
    fail(code, 'the test asked for this failure')
  }
}
