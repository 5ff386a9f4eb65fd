import { DmaError } from '@linux-dma/native'
import { invalidArgument } from '../errors'
import { createFakeMachine, type FakeMachine } from '../machine'
import { finishTest, throwAll } from './finish'
import { type FakeMachineTestOptions, placeName, splitOptions } from './options'
import { endedTest } from './runner-context'

/** What node:test, Jest, Bun, Mocha and Vitest call alike. */
export interface TestHooks {
  beforeEach(run: () => void): unknown
  afterEach(run: (...context: unknown[]) => Promise<void>): unknown
}

/** The machine of the test that runs. */
export interface UsedFakeMachine {
  /** @throws `DMA_NO_MACHINE` outside of a test; `DMA_IN_USE` where another one runs at the same time */
  readonly machine: FakeMachine
}

/**
 * Gives each test a fake machine of its own, and checks after it that everything was given back and that nothing was done wrong
 * with DMA. It uses the runner's hooks, whichever runner that is. Tests that run at the same time (`concurrency`, `test.concurrent`) are
 * refused with `DMA_IN_USE`: they take `withFakeMachine()`.
 *
 * Jest and Bun do not tell a hook whether its test failed: there `onFailure` hears of what the machine finds alone.
 * @throws `DMA_INVALID_ARGUMENT`
 * @example
 * ```ts
 * import { afterEach, beforeEach, test } from 'node:test'
 *
 * const fake = useFakeMachine({ beforeEach, afterEach })
 *
 * test('the driver starts', () => {
 *   const edu = fake.machine.addDevice(new EduDevice())
 *   using driver = openDriver(edu.address, { kernel: fake.machine.kernel })
 * })
 * ```
 */
export function useFakeMachine(hooks: TestHooks, options: FakeMachineTestOptions = {}): UsedFakeMachine {
  if (typeof hooks?.beforeEach !== 'function' || typeof hooks.afterEach !== 'function') {
    invalidArgument(
      'there are no hooks',
      'pass those of the runner: useFakeMachine({ beforeEach, afterEach })',
    )
  }
  const { name, onFailure, machineOptions } = splitOptions(options)
  const place = name ?? placeName()
  let machine: FakeMachine | undefined
  /** Told to a test also where the hooks of the other one took its machine away. */
  let clash: DmaError | undefined
  let count = 0
  hooks.beforeEach(() => {
    if (machine) {
      clash = new DmaError('DMA_IN_USE', 'tests run at the same time: they would have the same machine', {
        hint: 'run them one after another, or give each its own: withFakeMachine(async (machine) => { … })',
      })
      throw clash
    }
    clash = undefined
    count += 1
    machine = createFakeMachine(machineOptions)
  })
  // Not an arrow function, since Mocha's context is `this`; no named parameter, since Jest would take it for a callback to wait for.
  hooks.afterEach(async function (this: unknown, ...context: unknown[]) {
    const used = machine
    machine = undefined
    if (!used) return
    const { name: title = `${place}, test ${count}`, thrown } = endedTest(this, context[0])
    throwAll(await finishTest({ name: title, machine: used, onFailure, thrown }))
  })
  return {
    get machine() {
      if (machine) return machine
      if (clash) throw clash
      throw new DmaError('DMA_NO_MACHINE', 'there is a machine while a test runs, and not before or after', {
        hint: "use 'machine' in tests and in hooks after useFakeMachine()",
      })
    },
  }
}
