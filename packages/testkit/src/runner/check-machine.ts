import { DmaError } from '@linux-dma/native'
import { VirtualClock } from '../clock'
import { milliseconds } from '../coherence/known-mapping'
import { neverShown } from '../coherence/never-shown'
import type { DmaFault } from '../iommu/dma-path'
import type { FakeMachine } from '../machine'
import { FakeMachineCore } from '../machine-core'
import { disturbancesOf } from './disturbed'
import { allMessages } from './messages'
import { failuresThatNeverCame } from './never-failed'

/** How many refused accesses are told of one by one. */
const MOST_TOLD = 5

/**
 * What is wrong with a machine after a test: what is left open, then what was done wrong with DMA, then failures that were planned
 * and never came, then what devices reached for and do not have. Of a test that failed, also what
 * devices wrote and it cannot have seen, and what disturbances did: by itself that is no fault, since packets may be dropped.
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
  found.push(...failuresThatNeverCame(machine))
  const faults = machine instanceof FakeMachineCore ? machine.ownFaults() : []
  if (faults.length > 0) found.push(refusedAccesses(faults, machine))
  if (thrown.length + found.length > 0) found.push(...unshown(machine, told), ...disturbancesOf(machine))
  return found
}

/** Accesses of devices that the IOMMU refused, with what the devices themselves said of it. */
function refusedAccesses(faults: readonly DmaFault[], { log }: FakeMachine): DmaError {
  const lines = faults.slice(0, MOST_TOLD).map(({ device, direction, byteLength, address, time }) => {
    return `${device} was refused a ${direction} of ${byteLength} bytes at 0x${address.toString(16)}, at ${milliseconds(time)}`
  })
  const more = faults.length > MOST_TOLD ? [`and ${faults.length - MOST_TOLD} more`] : []
  const said = log.filter(({ message }) => message.includes('out of reach')).slice(0, MOST_TOLD)
  const list = [...lines, ...more, ...said.map(({ message }) => message)]
  return new DmaError('DMA_FAULT', `devices reached for what they do not have:\n  ${list.join('\n  ')}`, {
    hint: 'look at the addresses and lengths that the device was given, at its mask, and whether it was still at work; what a test does on purpose is forgotten by machine.clearFaults()',
  })
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
