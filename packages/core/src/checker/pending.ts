import { type DmaAddress, formatDmaAddress } from '../vocabulary/address'
import type { DmaReportFacts } from './dma-report'
import { familyName } from './live-mapping'
import type { MappingLedger } from './mapping-ledger'
import { DmaMisuse } from './misuse'

/**
 * Looks what is mapped for a device that is about to be closed.
 * @returns what tells of it once it is closed; undefined where nothing is left
 */
export function pendingReport(ledger: MappingLedger): (() => void) | undefined {
  const { checker, device } = ledger
  if (!checker) return undefined
  ledger.prune()
  const left = describeLeft(ledger, ledger.live())
  if (!left) return undefined
  return () =>
    checker.tell(
      device,
      DmaMisuse.ClosePending,
      `${device.name} was closed with ${left.text}`,
      'unmap and free all that the device has when it is done with it, then close it: what was left is taken from it, and lost',
      left.facts,
    )
}

/** Tells of what is mapped in a region, or of a memory, that is being closed. @param notes records; 0 for what has none */
export function tellOfLeft(ledger: MappingLedger, notes: Iterable<number>): void {
  const { checker, device, records } = ledger
  const live = [...notes].filter((note) => note !== 0 && !records.isFree(note))
  const left = checker && describeLeft(ledger, live)
  if (!left) return
  checker.tell(
    device,
    DmaMisuse.ClosePending,
    `memory of ${device.name} was closed with ${left.text}`,
    'unmap what is mapped when the device is done with it, then close the region or the memory: what the device wrote since the last sync is lost',
    left.facts,
  )
}

/** How many mappings are left, and the oldest of them. */
function describeLeft(
  ledger: MappingLedger,
  notes: Iterable<number>,
): { text: string; facts: DmaReportFacts } | undefined {
  const { records } = ledger
  let count = 0
  let oldest = 0
  for (const note of notes) {
    if (oldest === 0 || records.timeOf(note) < records.timeOf(oldest)) oldest = note
    count++
  }
  if (count === 0) return undefined
  const facts = ledger.factsOf(oldest)
  const family = familyName[records.familyOf(oldest)]
  const one = `${facts.size} bytes at ${formatDmaAddress(facts.address as DmaAddress)}, ${family}`
  return {
    text: `${count === 1 ? 'a mapping' : `${count} mappings`} left: ${one}`,
    facts: {
      ...facts,
      count,
      expected: 'no mapping',
      actual: count === 1 ? 'one' : `${count}, this one the oldest`,
    },
  }
}
