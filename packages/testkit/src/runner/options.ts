import { callSite } from '@linux-dma/native'
import { invalidArgument } from '../errors'
import type { FakeMachineOptions } from '../machine-options'
import type { FakeMachineFailure } from './failure'

/** A fake machine for a test, and what becomes of a failure. */
export interface FakeMachineTestOptions extends FakeMachineOptions {
  /** What the test is called, for the failure's report. By default where it is, or what the runner's hooks say. */
  name?: string
  /**
   * Is told of a test that failed, before the runner is: `saveReports()` of `@linux-dma/testkit/node` writes its report to a
   * file. What it throws is one more thing that went wrong.
   */
  onFailure?: (failure: FakeMachineFailure) => void | Promise<void>
}

/** Parts the options of a test from those of its machine. @throws `DMA_INVALID_ARGUMENT` */
export function splitOptions({ name, onFailure, ...machineOptions }: FakeMachineTestOptions) {
  if (name !== undefined && (typeof name !== 'string' || name === '')) invalidArgument('name is no text')
  if (onFailure !== undefined && typeof onFailure !== 'function') invalidArgument('onFailure is no function')
  return { name, onFailure, machineOptions }
}

/** The file and line that a test is in: what it is called where nobody says more. */
export function placeName(): string {
  return /([^\\/(]+:\d+):\d+\)?$/.exec(callSite())?.[1] ?? 'fake machine'
}
