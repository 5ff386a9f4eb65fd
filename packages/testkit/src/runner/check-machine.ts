import { VirtualClock } from '../clock'
import { neverShown } from '../coherence/never-shown'
import type { FakeMachine } from '../machine'
import { FakeMachineCore } from '../machine-core'
import { allMessages } from './messages'

/**
 * What is wrong with a machine after a test: what is left open, then what was done wrong with DMA. Of a test that failed, also what
 * devices wrote and it cannot have seen: by itself that is no fault, since packets may be dropped.
 * @param thrown what the test threw: a misuse that is among it, or is what caused it, is not told of again
 */
export function findDisorder(machine: FakeMachine, thrown: readonly unknown[] = []): unknown[] {
  const found: unknown[] = []
  const collect = (check: () => void) => {
    try {
      check()
    } catch (error) {
      found.push(error)
    }
  }
  collect(() => machine.assertQuiescent())
  const told = new Set(thrown.flatMap((error) => [...allMessages(error)]))
  if (machine.dmaErrors.some(({ message }) => !told.has(message))) collect(() => machine.assertNoDmaErrors())
  if (thrown.length + found.length > 0) found.push(...unshown(machine, told))
  return found
}

function unshown(machine: FakeMachine, told: ReadonlySet<string>): unknown[] {
  if ([...told].some((message) => message.includes('not synced for the CPU'))) return []
  const writes = machine instanceof FakeMachineCore ? machine.unshown() : []
  return writes.length > 0 ? [neverShown(writes, machine.trace.toJSON())] : []
}

/**
 * Lets the process end in spite of what a test that failed left waiting: a runner that waits for it would never tell of the failure.
 */
export function letGo({ clock }: FakeMachine): void {
  if (clock instanceof VirtualClock) clock.abandon()
}
