import type { FakeMachine } from '../machine'
import { writeReport } from '../report/write-report'
import { messageOf } from './messages'

/** A test that failed, or left its machine in disorder. */
export interface FakeMachineFailure {
  /** What the test is called; where that is not known, where it is: `driver.test.ts:12`. */
  readonly name: string
  readonly machine: FakeMachine
  /** What went wrong: first what the test itself threw, then what the machine found. */
  readonly errors: readonly unknown[]
  /** What happened on the machine, as a page of HTML: see `writeReport()`. It is written when it is first asked for. */
  readonly report: string
}

/** Puts together what is known of a failure. */
export function describeFailure(
  name: string,
  machine: FakeMachine,
  errors: readonly unknown[],
): FakeMachineFailure {
  let report: string | undefined
  return {
    ...{ name, machine, errors },
    get report() {
      report ??= writeReport(machine.trace, { title: name, failure: errors.map(messageOf).join('\n\n') })
      return report
    },
  }
}

/** One error that says all that the others do. @param errors one or more, the cause of the rest first */
export function joinErrors(errors: readonly unknown[]): unknown {
  if (errors.length === 1) return errors[0]
  // Runners show the message and the cause. Not all of them show the list.
  const message = errors.map((error) => messageOf(error).replaceAll('\n', '\n  ')).join('\n  ')
  return new AggregateError(errors, `${errors.length} things went wrong:\n  ${message}`, {
    cause: errors[0],
  })
}
