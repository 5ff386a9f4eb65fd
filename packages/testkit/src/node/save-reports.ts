import type { FakeMachineFailure } from '../runner/failure'
import { saveReport } from './report-file'

/**
 * Makes an `onFailure` that writes the report of each test that fails to a file, and prints its path to standard error.
 *
 * A file is named after its test, and written over by the next run. Runs at the same time, and tests that do, are no trouble.
 * @param directory where to; `testkit-reports` in the folder the runner was started in by default. It is made where it is not there
 * @example
 * ```ts
 * test('the driver starts', () => withFakeMachine({ onFailure: saveReports() }, async (machine) => {}))
 * ```
 */
export function saveReports(directory = 'testkit-reports'): (failure: FakeMachineFailure) => void {
  return ({ name, report }) => {
    process.stderr.write(`${name}: see ${saveReport(directory, name, report)}\n`)
  }
}
