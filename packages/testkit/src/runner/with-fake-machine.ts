import { invalidArgument } from '../errors'
import { createFakeMachine, type FakeMachine } from '../machine'
import { finishTest, throwAll } from './finish'
import { type FakeMachineTestOptions, placeName, splitOptions } from './options'

/** A test on a machine. */
export type MachineTest<Result> = (machine: FakeMachine) => Result | Promise<Result>

/**
 * Makes a fake machine, runs a test on it, and then checks that everything was given back and that nothing was done wrong with
 * DMA. It needs no test runner, and goes with all: it is what a test does.
 * @returns what `run` returns
 * @throws `DMA_INVALID_ARGUMENT`; what `run` throws; `DMA_LEAK`; `DMA_DEBUG`. Where there are several, an `AggregateError` that has all
 * of them, what `run` threw first
 * @example
 * ```ts
 * test('the driver starts', () =>
 *   withFakeMachine(async (machine) => {
 *     const edu = machine.addDevice(new EduDevice())
 *     using driver = openDriver(edu.address, { kernel: machine.kernel })
 *   }))
 * ```
 */
export async function withFakeMachine<Result>(run: MachineTest<Result>): Promise<Result>
export async function withFakeMachine<Result>(
  options: FakeMachineTestOptions,
  run: MachineTest<Result>,
): Promise<Result>
export async function withFakeMachine<Result>(
  ...given: [MachineTest<Result>] | [FakeMachineTestOptions, MachineTest<Result>]
): Promise<Result> {
  const [options, run] = given.length === 1 ? [{}, given[0]] : given
  if (typeof run !== 'function') return invalidArgument('there is no test to run on the machine')
  const { name = placeName(), onFailure, machineOptions } = splitOptions(options)
  const machine = createFakeMachine(machineOptions)
  const thrown: unknown[] = []
  let result: Result | undefined
  try {
    result = await run(machine)
  } catch (error) {
    thrown.push(error)
  }
  throwAll([...thrown, ...(await finishTest({ name, machine, onFailure, thrown }))])
  return result as Result
}
