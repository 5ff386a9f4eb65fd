import type { LiveCounters } from '@linux-dma/native'
import type { DmaFault } from '../iommu/dma-path'
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

/** Which accesses are the same although a failing call changed what else there is: addresses are others then. */
function kindOf({ device, direction }: DmaFault): string {
  return `${direction} of ${device}`
}

/** The kinds of accesses that devices were refused. */
export function refusedKinds(machine: FakeMachineCore): Set<string> {
  return new Set(machine.ownFaults().map(kindOf))
}

/** A line for each kind of accesses that devices were refused, unless a test disturbs them. @param expected kinds that go unmentioned */
export function refusedAccesses(machine: FakeMachineCore, expected: ReadonlySet<string>): string[] {
  const firsts = new Map<string, DmaFault>()
  for (const fault of machine.ownFaults()) {
    const kind = kindOf(fault)
    if (!expected.has(kind) && !firsts.has(kind)) firsts.set(kind, fault)
  }
  return Array.from(firsts.values(), ({ device, direction, byteLength, address }) => {
    return `reached for what it does not have: ${device}, by a ${direction} of ${byteLength} bytes at 0x${address.toString(16)}`
  })
}
