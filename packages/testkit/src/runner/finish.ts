import type { FakeMachine } from '../machine'
import { findDisorder, letGo } from './check-machine'
import { describeFailure, joinErrors } from './failure'
import type { FakeMachineTestOptions } from './options'

/** A test that is through, and what it threw. */
interface EndedTest {
  readonly name: string
  readonly machine: FakeMachine
  readonly onFailure: FakeMachineTestOptions['onFailure']
  readonly thrown: readonly unknown[]
}

/**
 * Looks at a machine after its test, and has a failure told.
 * @returns what the machine found, and what `onFailure` threw
 */
export async function finishTest({ name, machine, onFailure, thrown }: EndedTest): Promise<unknown[]> {
  const found = findDisorder(machine, thrown)
  const errors = [...thrown, ...found]
  if (errors.length === 0) return found
  letGo(machine)
  try {
    await onFailure?.(describeFailure(name, machine, errors))
  } catch (error) {
    found.push(error)
  }
  return found
}

/** @throws all of them, where there are any */
export function throwAll(errors: readonly unknown[]): void {
  if (errors.length > 0) throw joinErrors(errors)
}
