import { describe, expect, it } from 'vitest'
import type { FakeMachineFailure } from './failure'
import type { FakeMachineTestOptions } from './options'
import { useFakeMachine } from './use-fake-machine'

/** A runner, as far as hooks go. */
function makeRunner(options: FakeMachineTestOptions = {}) {
  const before: (() => void)[] = []
  const after: ((...context: unknown[]) => Promise<void>)[] = []
  const failures: FakeMachineFailure[] = []
  const used = useFakeMachine(
    { beforeEach: (run) => before.push(run), afterEach: (run) => after.push(run) },
    { onFailure: (failure) => void failures.push(failure), ...options },
  )
  /** Runs one test, and gives what its hooks threw. */
  const run = async (
    test: () => unknown,
    { self, context = [] }: { self?: unknown; context?: unknown[] } = {},
  ) => {
    for (const hook of before) hook()
    await test()
    try {
      for (const hook of after) await hook.apply(self, context)
    } catch (error) {
      return error
    }
  }
  return { used, run, failures, before, after }
}

describe('machines by hooks', () => {
  it('are one for each test, and there is none outside', async () => {
    const { used, run } = makeRunner({ seed: 3 })
    expect(() => used.machine).toThrow(expect.objectContaining({ code: 'DMA_NO_MACHINE' }))
    const machines = new Set<unknown>()
    for (let count = 0; count < 2; count++) {
      await run(() => {
        machines.add(used.machine)
        expect(used.machine).toBe(used.machine)
        expect(used.machine.trace.seed).toBe(3)
      })
    }
    expect(machines.size).toBe(2)
    expect(() => used.machine).toThrow('while a test runs')
  })

  it('fail the test that leaves something open, and not the next', async () => {
    const { used, run, failures } = makeRunner()
    const error = await run(() => used.machine.kernel.memfd('forgotten', { byteLength: 4096 }))
    expect(error).toMatchObject({ code: 'DMA_LEAK' })
    expect(await run(() => {})).toBeUndefined()
    expect(failures.map(({ name }) => name)).toEqual([
      expect.stringMatching(/^use-fake-machine\.test\.ts:\d+, test 1$/),
    ])
  })

  it('are refused to tests that run at the same time', async () => {
    const { used, run, before, after } = makeRunner()
    const clash = expect.objectContaining({
      code: 'DMA_IN_USE',
      message: expect.stringContaining('withFakeMachine'),
    })
    const first = run(async () => {
      for (const hook of before) expect(hook).toThrow(clash)
      // The second one's hook for its end, which has no way to know whose machine it takes.
      for (const hook of after) await hook()
      expect(() => used.machine).toThrow(clash)
    })
    expect(await first).toBeUndefined()
    expect(await run(() => expect(used.machine.kernel.name).toBe('fake'))).toBeUndefined()
  })

  const mine = new Error('mine')
  it.each([
    ['node:test', { context: [{ name: 'b', fullName: 'a > b', error: mine }] }, 'a > b'],
    [
      'node:test, whose errors are wrapped',
      {
        context: [
          {
            name: 'b',
            error: Object.assign(new Error('x', { cause: mine }), { failureType: 'testCodeFailure' }),
          },
        ],
      },
      'b',
    ],
    ['Mocha', { self: { currentTest: { fullTitle: () => 'a b', err: mine } } }, 'a b'],
    ['Vitest', { context: [{ task: { name: 'b', result: { errors: [mine] } } }] }, 'b'],
  ])('know the name and the error of a test by %s', async (_, how, name) => {
    const { run, failures } = makeRunner()
    // The runner has the error: the hook does not throw it again.
    expect(await run(() => {}, how)).toBeUndefined()
    expect(failures.map((failure) => [failure.name, failure.errors])).toEqual([[name, [mine]]])
  })

  it('have hooks that no runner takes for one with a callback', () => {
    const { after } = makeRunner()
    expect(after.map(({ length }) => length)).toEqual([0])
  })

  it('want hooks', () => {
    for (const hooks of [undefined, {}, { beforeEach: () => {} }]) {
      expect(() => useFakeMachine(hooks as never)).toThrow('there are no hooks')
    }
  })
})
