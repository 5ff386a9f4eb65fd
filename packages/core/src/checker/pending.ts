import { type DmaAddress, formatDmaAddress } from '../vocabulary/address'
import { familyName } from './live-mapping'
import type { MappingLedger } from './mapping-ledger'
import { DmaMisuse } from './misuse'

/**
 * Looks what is mapped for a device that is about to be closed.
 * @returns what tells of it once it is closed; undefined where nothing is left
 */
export function pendingReport(ledger: MappingLedger): (() => void) | undefined {
  const { checker, device, records } = ledger
  if (!checker) return undefined
  ledger.prune()
  let count = 0
  let oldest = 0
  for (const note of ledger.live()) {
    if (oldest === 0 || records.timeOf(note) < records.timeOf(oldest)) oldest = note
    count++
  }
  if (count === 0) return undefined
  const facts = ledger.factsOf(oldest)
  const family = familyName[records.familyOf(oldest)]
  const one = `${facts.size} bytes at ${formatDmaAddress(facts.address as DmaAddress)}, ${family}`
  return () =>
    checker.tell(
      device,
      DmaMisuse.ClosePending,
      `${device.name} was closed with ${count === 1 ? 'a mapping' : `${count} mappings`} left: ${one}`,
      'unmap and free all that the device has when it is done with it, then close it: what was left is taken from it, and lost',
      {
        ...facts,
        count,
        expected: 'no mapping',
        actual: count === 1 ? 'one' : `${count}, this one the oldest`,
      },
    )
}
