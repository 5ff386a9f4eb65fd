import { formatDmaAddress } from '../vocabulary/address'
import { DmaDirection } from '../vocabulary/direction'
import type { DmaChecker } from './dma-checker'
import type { DmaReportFacts } from './dma-report'
import type { MappingLedger } from './mapping-ledger'
import type { SingleOwner } from './mapping-owner'
import { MappingFamily } from './mapping-records'
import { DmaMisuse } from './misuse'

/** What a device did with memory. */
export interface DeviceAccess {
  readonly address: number
  readonly byteLength: number
  readonly access: 'read' | 'write'
  /** What it wrote, or was given to read. */
  readonly bytes: Uint8Array
}

/**
 * Holds what a device did against what is mapped for it. What was never mapped piece by piece, such as what `region.addressAt()`
 * gave, is nobody's mistake.
 */
export function judgeAccess(checker: DmaChecker, ledger: MappingLedger, done: DeviceAccess): void {
  const end = done.address + done.byteLength
  let before: number | undefined
  let at = done.address
  while (at < end) {
    const notes = ledger.records.covering(at)
    const [first] = notes
    if (before !== undefined && !notes.includes(before) && goesPast(ledger, before)) {
      tellPastEnd(checker, ledger, before, done)
      return
    }
    if (first === undefined) {
      tellLate(checker, ledger, at, done)
      return
    }
    if (!assertAllowed(checker, ledger, notes, done)) return
    before = first
    at = Math.max(...notes.map((note) => ledger.records.addressOf(note) + ledger.records.byteLengthOf(note)))
  }
}

/** The segments of a table, and what was allocated, may lie one beside the other for the device to go through. */
function goesPast({ records }: MappingLedger, note: number): boolean {
  return records.familyOf(note) === MappingFamily.Single
}

function tellPastEnd(checker: DmaChecker, ledger: MappingLedger, note: number, done: DeviceAccess): void {
  const { address, size } = ledger.factsOf(note)
  const past = done.address + done.byteLength - ((address as unknown as number) + size!)
  tell(
    checker,
    ledger,
    note,
    DmaMisuse.DevicePastEnd,
    done,
    `past the end of ${size} bytes that are mapped: ${past} bytes of others`,
    'look at the length that the device was given, and at what the device makes of it',
    { expected: `accesses of up to ${size} bytes`, actual: `${past} more` },
  )
}

/** @param at the first byte that is not mapped */
function tellLate(checker: DmaChecker, ledger: MappingLedger, at: number, done: DeviceAccess): void {
  const ended = ledger.ended.covering(at)
  if (!ended) return
  tell(
    checker,
    ledger,
    0,
    DmaMisuse.DeviceLate,
    done,
    `of a mapping that has ended: ${ended.byteLength} bytes at ${formatDmaAddress(ended.address)}`,
    'wait until the device says that it is done, or stop it, before the unmap',
    { ...ledger.factsOfEnded(ended), expected: 'a live mapping', actual: 'one that was unmapped' },
  )
}

/** @returns whether nothing is wrong */
function assertAllowed(
  checker: DmaChecker,
  ledger: MappingLedger,
  notes: readonly number[],
  done: DeviceAccess,
): boolean {
  const { records } = ledger
  const [first] = notes as [number]
  const against = done.access === 'write' ? DmaDirection.ToDevice : DmaDirection.FromDevice
  if (notes.every((note) => records.directionOf(note) === against)) {
    const hint = 'map what the device both reads and writes DmaDirection.Bidirectional'
    const text = `against the direction of a mapping, which an IOMMU would refuse`
    tell(checker, ledger, first, DmaMisuse.DeviceDirection, done, text, hint)
    return false
  }
  if (done.access === 'write' && notes.every((note) => records.isLent(note))) {
    const hint = 'give the bytes back by dmaSyncSingleForDevice() before the device is told to go on'
    tell(checker, ledger, first, DmaMisuse.DeviceWhileCpuOwns, done, 'that the CPU owns', hint)
    return false
  }
  if (done.access === 'read') return assertFresh(checker, ledger, first, done)
  return true
}

/** Where a copy stands in for a buffer that only the CPU writes, the two differ by what was not synced. */
function assertFresh(checker: DmaChecker, ledger: MappingLedger, note: number, done: DeviceAccess): boolean {
  const { records } = ledger
  if (
    records.directionOf(note) !== DmaDirection.ToDevice ||
    records.familyOf(note) !== MappingFamily.Single
  ) {
    return true
  }
  const owner = ledger.ownerOf(note) as SingleOwner
  const handle = ledger.handleOf(note)
  if (owner.memoryOffsetOf(handle) !== undefined) return true
  const start = Math.max(done.address, records.addressOf(note))
  const end = Math.min(done.address + done.byteLength, records.addressOf(note) + records.byteLengthOf(note))
  const mine = owner.bytesOf(handle, start - records.addressOf(note), end - start)
  const read = done.bytes.subarray(start - done.address, end - done.address)
  if (mine.every((byte, index) => byte === read[index])) return true
  const hint = 'call dmaSyncSingleForDevice() after the CPU wrote, and before the device is told'
  tell(checker, ledger, note, DmaMisuse.DeviceStale, done, 'that the CPU wrote and did not sync: stale', hint)
  return false
}

function tell(
  checker: DmaChecker,
  ledger: MappingLedger,
  note: number,
  misuse: DmaMisuse,
  { address, byteLength, access }: DeviceAccess,
  what: string,
  hint: string,
  facts: DmaReportFacts = {},
): void {
  const verb = access === 'write' ? 'wrote' : 'read'
  const place = `${byteLength} bytes at 0x${address.toString(16)}`
  const known = note === 0 ? {} : ledger.factsOf(note)
  checker.tell(ledger.device, misuse, `the device ${verb} ${place} ${what}`, hint, { ...known, ...facts })
}
