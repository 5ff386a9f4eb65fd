import { DmaError } from '@linux-dma/native'
import type { PendingFailure } from '../fault-plan'
import type { FakeMachine } from '../machine'
import { FakeMachineCore } from '../machine-core'

/** Other calls that are named. */
const mostNamed = 12

/** That a failure was planned and never came, where one was: such a test has tested nothing, and may well pass by that. */
export function failuresThatNeverCame(machine: FakeMachine): DmaError[] {
  const pending = machine instanceof FakeMachineCore ? machine.faultPlan.pending : []
  if (pending.length === 0) return []
  const what = pending.length === 1 ? 'a failure' : `${pending.length} failures`
  const lines = pending.map((failure) => `\n  ${tell(failure)}`)
  return [
    new DmaError('DMA_NEVER_FAILED', `${what} of failCall() never came:${lines.join('')}`, {
      hint: "syscall is worded as an error's, ioctl(VFIO_IOMMU_MAP_DMA) for one, and nth counts from failCall() on",
    }),
  ]
}

function tell({ syscall, nth, code, plannedAt, made }: PendingFailure): string {
  const which = nth === 1 ? syscall : `${syscall} number ${nth}`
  const what = `${which} with ${code}, planned ${plannedAt}: ${timesCalled(made.get(syscall) ?? 0)}`
  const others = [...made.keys()].filter((name) => name !== syscall)
  if (others.length === 0) return what
  // What is most like it first: it may be what was meant.
  others.sort((a, b) => wordsInCommon(b, syscall) - wordsInCommon(a, syscall))
  const named = others.slice(0, mostNamed).map((name) => `${name} ${times(made.get(name)!)}`)
  const more = others.length > mostNamed ? [`${others.length - mostNamed} more`] : []
  return `${what}\n    there were: ${[...named, ...more].join(', ')}`
}

function timesCalled(calls: number): string {
  return calls === 0 ? 'it was not called' : `it was called ${times(calls)}`
}

function times(calls: number): string {
  return calls === 1 ? 'once' : `${calls} times`
}

function wordsInCommon(one: string, other: string): number {
  const words = new Set(other.split(/\W|_/))
  return one.split(/\W|_/).filter((word) => words.has(word)).length
}
