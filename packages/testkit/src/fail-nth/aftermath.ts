import type { LiveCounters } from '@linux-dma/native'
import type { FakeMachineCore } from '../machine-core'
import { leakReport } from '../quiescence'

/** What a machine had open before a scenario ran on it. */
export interface Baseline {
  readonly leaks: readonly string[]
  readonly live: LiveCounters
}

export function baselineOf(machine: FakeMachineCore): Baseline {
  return { leaks: leakReport(machine), live: machine.kernel.live() }
}

/** A line for each thing that a scenario has left, and for each count that is not as it was. */
export function leftOver(machine: FakeMachineCore, before: Baseline): string[] {
  const had = [...before.leaks]
  const left = leakReport(machine).filter((line) => {
    const index = had.indexOf(line)
    if (index >= 0) had.splice(index, 1)
    return index < 0
  })
  const live = machine.kernel.live()
  const counts = (Object.keys(live) as (keyof LiveCounters)[])
    .filter((name) => live[name] !== before.live[name])
    .map((name) => `kernel.live().${name} is ${live[name]}, and was ${before.live[name]}`)
  // Where something was left and is named, the counts say nothing more.
  return (left.length > 0 ? left : counts).map((line) => `left: ${line}`)
}
