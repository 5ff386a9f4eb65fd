import { AssertionError } from 'node:assert'
import { type FailNthCall, type FailNthResult, type FakeMachine, failNth } from '@linux-dma/testkit'
import { hostOn, machineOptions, plugIn } from '../fake-host'
import type { MachineKind, Suite } from '../suite'
import { collectTests, type FoundTest } from './collect-tests'

/** One test of a suite, on a machine of a kind. */
export interface TestPlace {
  readonly kind: MachineKind
  readonly suite: Suite
  readonly index: number
}

/**
 * Has the system calls of a test fail, with what `errnos` says for each. What the test asserts then does not hold, and it says so:
 * that is as clear as an error of the packages. DMA is used wrongly in some of them.
 */
export function sweepTest(
  { kind, suite, index }: TestPlace,
  errnos: (call: FailNthCall) => readonly string[],
): Promise<FailNthResult> {
  const tests = new WeakMap<FakeMachine, FoundTest>()
  return failNth((machine) => tests.get(machine)!.body(), {
    machine: machineOptions(kind),
    prepare(machine) {
      plugIn(machine, kind)
      tests.set(machine, collectTests(suite, hostOn(machine, kind))[index]!)
    },
    errnos,
    isClear: (error) => error instanceof AssertionError,
    allowDmaErrors: true,
    collect: true,
    timeoutMilliseconds: 20_000,
  })
}
