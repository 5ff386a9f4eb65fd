import { invalidArgument } from '../errors'
import type { FakeMachine } from '../machine'
import { messageOf } from '../runner/messages'

/** What a machine is asked by an expectation. */
export interface MachineMatchers {
  /** Everything was given back: what `machine.assertQuiescent()` checks. */
  toBeQuiescent(): void
  /** Nothing was done wrong with DMA: what `machine.assertNoDmaErrors()` checks. */
  toHaveNoDmaErrors(): void
}

/** The two, in the form that `expect.extend()` takes. */
export const machineMatchers = {
  toBeQuiescent(received: unknown) {
    const machine = checkMachine(received, 'toBeQuiescent')
    return outcome(() => machine.assertQuiescent(), 'nothing is left open on the machine')
  },
  toHaveNoDmaErrors(received: unknown) {
    const machine = checkMachine(received, 'toHaveNoDmaErrors')
    return outcome(() => machine.assertNoDmaErrors(), 'nothing was done wrong with DMA on the machine')
  },
}

function outcome(check: () => void, otherwise: string) {
  try {
    check()
  } catch (error) {
    return { pass: false, message: () => messageOf(error) }
  }
  return { pass: true, message: () => otherwise }
}

function checkMachine(received: unknown, matcher: keyof MachineMatchers): FakeMachine {
  const { assertQuiescent, assertNoDmaErrors } = (received ?? {}) as Partial<FakeMachine>
  if (typeof assertQuiescent === 'function' && typeof assertNoDmaErrors === 'function') {
    return received as FakeMachine
  }
  return invalidArgument(`${matcher}() is about a fake machine`, `write expect(machine).${matcher}()`)
}
