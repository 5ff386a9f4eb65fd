import { VirtualClock } from '../clock'
import type { FakeMachine } from '../machine'
import { allMessages } from './messages'

/**
 * What is wrong with a machine after a test: what is left open, then what was done wrong with DMA.
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
  return found
}

/**
 * Lets the process end in spite of what a test that failed left waiting: a runner that waits for it would never tell of the failure.
 */
export function letGo({ clock }: FakeMachine): void {
  if (clock instanceof VirtualClock) clock.abandon()
}
