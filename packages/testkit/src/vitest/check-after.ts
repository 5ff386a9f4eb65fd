import type { TestContext } from 'vitest'
import type { FakeMachine } from '../machine'
import { saveReport } from '../node/report-file'
import { findDisorder, letGo } from '../runner/check-machine'
import { describeFailure } from '../runner/failure'

type Task = TestContext['task']

/**
 * Looks at a test's machines when it is through. Where it failed, or fails by this, the reports are written, and where they are is
 * printed: not of a test that is to fail, which passes by that, nor of one that was given up.
 * @param earlier how many errors the test had before: those of the attempts that went before this one
 * @returns what the machines found
 */
export function checkAfter(
  task: Task,
  machines: readonly FakeMachine[],
  directory: string | false,
  earlier = 0,
): unknown[] {
  if (task.result?.state === 'skip') return []
  const thrown = (task.result?.errors ?? []).slice(earlier)
  const disorders = machines.map((machine) => findDisorder(machine, thrown))
  const found = disorders.flat()
  const failed = thrown.length + found.length > 0
  for (const [index, machine] of machines.entries()) {
    if (failed) letGo(machine)
    if (failed && directory !== false && !task.fails) {
      const which = machines.length === 1 ? '' : `, machine ${index + 1}`
      saveReportOf(task, machine, [...thrown, ...(disorders[index] ?? [])], directory, which)
    }
  }
  return found
}

function saveReportOf(
  task: Task,
  machine: FakeMachine,
  errors: readonly unknown[],
  directory: string,
  which: string,
): void {
  const name = `${fullName(task)}${which}`
  const { report } = describeFailure(name, machine, errors)
  // The same name in another file, or in another project of the workspace, is another test.
  const { filepath, projectName = '' } = task.file
  const path = saveReport(directory, name, report, [projectName, filepath, name].join('\n'))
  console.error(`${name}: see ${path}`)
}

function fullName(task: Task): string {
  const names: string[] = [task.name]
  for (let { suite } = task; suite; suite = suite.suite) if (suite.name) names.unshift(suite.name)
  return names.join(' > ')
}
