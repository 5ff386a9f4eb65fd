import { callSite } from '@linux-dma/native'
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

/** A planned failure that has not come yet. */
export interface PendingFailure {
  readonly syscall: string
  readonly nth: number
  readonly code: string
  readonly plannedAt: string
  /** How often each call of its kind was made since: any ioctl, where it is one. */
  readonly made: ReadonlyMap<string, number>
}

interface Planned extends PendingFailure {
  readonly code: ErrnoName
  readonly kind: string
  readonly made: Map<string, number>
}

/** System calls that are to fail although nothing is wrong: how a program's error paths are tested. */
export class FaultPlan {
  readonly #pending: Planned[] = []
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
    const kind = kindOf(syscall)
    this.#pending.push({ syscall, nth, code, kind, plannedAt: callSite(), made: new Map() })
  }

  /** Has each call told from now on; undefined for nobody. */
  observe(onCall: CallListener | undefined): void {
    this.#onCall = onCall
  }

  /** The failures that are still to come. */
  get pending(): readonly PendingFailure[] {
    return this.#pending
  }

  /** Counts a call, and fails it when its time has come. */
  check(syscall: string, path?: string): void {
    this.#onCall?.(syscall, path)
    if (this.#pending.length === 0) return
    const kind = kindOf(syscall)
    for (const { made } of this.#pending.filter((planned) => planned.kind === kind)) {
      made.set(syscall, (made.get(syscall) ?? 0) + 1)
    }
    const due = this.#pending.filter((planned) => planned.made.get(planned.syscall) === planned.nth)
    const code = due[0]?.code
    if (code === undefined) return
    const left = this.#pending.filter((planned) => !due.includes(planned))
    this.#pending.splice(0, this.#pending.length, ...left)
    fail(code, 'the test asked for this failure')
  }
}

/** What is easily taken for one another: ioctls, and calls that say where in the file beside those that do not. */
function kindOf(syscall: string): string {
  return syscall.replace(/\(.*/, '').replace(/^p(?=read$|write$)/, '')
}
