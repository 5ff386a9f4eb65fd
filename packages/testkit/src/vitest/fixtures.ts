import { test as base } from 'vitest'
import { createFakeMachine, type FakeMachine } from '../machine'
import type { FakeMachineOptions } from '../machine-options'
import { throwAll } from '../runner/finish'
import { checkAfter } from './check-after'

/** What a test is given. */
export interface MachineFixtures {
  /** What `machine` is like: override it for a file or a suite. */
  machineOptions: FakeMachineOptions
  /** Where the reports of tests that failed go, from the folder that Vitest was started in; `false` for none. */
  reportDirectory: string | false
  /** A fake machine of the test's own, which is looked at after it. */
  machine: FakeMachine
  /** Makes a further one, which is looked at too. */
  createMachine: (options?: FakeMachineOptions) => FakeMachine
}

/**
 * Vitest's `test` with a fake machine for each test that asks for one. After the test, everything has to be given back, and nothing
 * done wrong with DMA: else the test fails, with what is left open and where it was opened. Of a test that failed there is a report
 * in `testkit-reports`, whose path is printed.
 * @example
 * ```ts
 * import { test } from '@linux-dma/testkit/vitest'
 *
 * test('the driver starts', ({ machine }) => {
 *   const edu = machine.addDevice(new EduDevice())
 *   using driver = openDriver(edu.address, { kernel: machine.kernel })
 * })
 * ```
 */
export const test = base.extend<MachineFixtures>({
  machineOptions: {},
  reportDirectory: ['testkit-reports', { injected: true }],
  createMachine: async ({ task, reportDirectory, onTestFinished }, use) => {
    const machines: FakeMachine[] = []
    const earlier = task.result?.errors?.length ?? 0
    // Not when the fixture is taken down: what a test gives back by an onTestFinished() of its own is open then. Those run in reverse
    // order, so that this one is the last. Vitest would also take down once more, in the next attempt, a fixture that threw.
    onTestFinished(() => throwAll(checkAfter(task, machines, reportDirectory, earlier)))
    await use((options) => {
      const machine = createFakeMachine(options)
      machines.push(machine)
      return machine
    })
  },
  machine: async ({ createMachine, machineOptions }, use) => {
    await use(createMachine(machineOptions))
  },
})
