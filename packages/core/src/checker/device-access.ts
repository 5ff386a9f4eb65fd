import type { DmaAccessDetail, DmaUnderWay } from '@linux-dma/native'
import type { MappingHandle } from '../mapping/mapping-table'
import { formatDmaAddress } from '../vocabulary/address'
import { DmaDirection } from '../vocabulary/direction'
import type { DmaChecker } from './dma-checker'
import type { DmaReportFacts } from './dma-report'
import type { EndedMapping } from './ended-mappings'
import type { MappingLedger } from './mapping-ledger'
import type { SingleOwner } from './mapping-owner'
import { MappingFamily } from './mapping-records'
import { DmaMisuse } from './misuse'

/** What a device did with memory. */
export interface DeviceAccess extends DmaAccessDetail {
  readonly address: number
  readonly byteLength: number
  readonly access: 'read' | 'write'
  /** What it wrote, or was given to read. */
  readonly bytes: Uint8Array
}

/**
 * Holds what a device did against what is mapped for it. What was never mapped piece by piece, and regions whose addresses the program
 * has asked for, are nobody's mistake.
 */
export function judgeAccess(checker: DmaChecker, ledger: MappingLedger, done: DeviceAccess): void {
  const { records } = ledger
  if (done.wentTo !== undefined) {
    tellOutOfReach(checker, ledger, done)
    return
  }
  const end = done.address + done.byteLength
  let before = done.continues === true ? records.covering(done.address - 1) : []
  let at = done.address
  while (at < end) {
    const notes = records.covering(at)
    const isAddressed = ledger.isAddressed(at)
    if (!isAddressed && leaves(ledger, before, notes)) {
      if (isRounding(end - at, done)) return
      tellPastEnd(checker, ledger, before[0]!, done)
      return
    }
    if (notes.length === 0) {
      if (!isAddressed) tellLate(checker, ledger, ledger.ended.covering(at), done)
      return
    }
    if (!assertAllowed(checker, ledger, notes, at, done)) return
    before = notes
    at = Math.max(...notes.map((note) => records.addressOf(note) + records.byteLengthOf(note)))
  }
}

/** Whether what has the next byte is something else. The segments of a table may lie one beside the other. */
function leaves({ records }: MappingLedger, before: readonly number[], notes: readonly number[]): boolean {
  const isSame = (one: number, other: number) =>
    one === other ||
    (records.familyOf(one) === MappingFamily.Sg && records.homeOf(one) === records.homeOf(other))
  return before.length > 0 && !before.some((one) => notes.some((other) => isSame(one, other)))
}

/** Devices read whole words of 32 bits, and use of the last what they were given. */
function isRounding(past: number, { access, address, byteLength }: DeviceAccess): boolean {
  return access === 'read' && past < 4 && (address + byteLength) % 4 === 0
}

function tellOutOfReach(checker: DmaChecker, ledger: MappingLedger, done: DeviceAccess): void {
  const [note = 0] = ledger.records.covering(done.address)
  tell(
    checker,
    ledger,
    note,
    DmaMisuse.DeviceOutOfReach,
    done,
    `with fewer address bits than that has: it was 0x${done.wentTo!.toString(16)} on the bus`,
    'call dmaSetMask(device, dmaBitMask(bits)) with as many bits as the device drives, before anything is mapped for it',
  )
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
    `past the end of ${size} bytes that are mapped: ${Math.min(past, done.byteLength)} bytes of others`,
    'look at the length that the device was given, and at what the device makes of it',
    { expected: `accesses of up to ${size} bytes`, actual: `${past} more` },
  )
}

function tellLate(
  checker: DmaChecker,
  ledger: MappingLedger,
  ended: EndedMapping | undefined,
  done: DeviceAccess,
  andNow = '',
): void {
  if (!ended) return
  tell(
    checker,
    ledger,
    0,
    DmaMisuse.DeviceLate,
    done,
    `of a mapping that has ended: ${ended.byteLength} bytes at ${formatDmaAddress(ended.address)}${andNow}`,
    'wait until the device says that it is done, or stop it, before the unmap',
    { ...ledger.factsOfEnded(ended), expected: 'a live mapping', actual: 'one that was unmapped' },
  )
}

/** A mapping is being ended, while a fake device has not yet done all that it was told to do with it. */
export function tellOfUnderWay(
  checker: DmaChecker,
  ledger: MappingLedger,
  note: number,
  { access, byteLength }: DmaUnderWay,
): void {
  const facts = ledger.factsOf(note)
  checker.tell(
    ledger.device,
    DmaMisuse.DeviceLate,
    `${facts.size} bytes at ${formatDmaAddress(facts.address!)} are unmapped while the device is at work: it has ${byteLength} bytes of them to ${access} yet`,
    'wait until the device says that it is done, or stop it (clearMaster() does), before the unmap',
    { ...facts, expected: 'a device at rest', actual: `a ${access} under way` },
  )
}

/** @returns whether nothing is wrong */
function assertAllowed(
  checker: DmaChecker,
  ledger: MappingLedger,
  notes: readonly number[],
  at: number,
  done: DeviceAccess,
): boolean {
  const { records } = ledger
  const [first] = notes as [number]
  const against = done.access === 'write' ? DmaDirection.ToDevice : DmaDirection.FromDevice
  if (notes.every((note) => records.directionOf(note) === against)) {
    const ended = ledger.ended.covering(at)
    // What the device does was right for what was there before.
    if (ended && ended.direction !== against) {
      tellLate(checker, ledger, ended, done, ', in whose place there is another now')
      return false
    }
    const usual = done.access === 'write' ? 'FromDevice' : 'ToDevice'
    const hint = `map what the device ${done.access === 'write' ? 'writes' : 'reads'} DmaDirection.${usual}, and what it both reads and writes Bidirectional`
    const text = `against the direction of a mapping, which an IOMMU would refuse`
    tell(checker, ledger, first, DmaMisuse.DeviceDirection, done, text, hint)
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
  const mine = bytesOf(owner, handle, start - records.addressOf(note), end - start)
  const read = done.bytes.subarray(start - done.address, end - done.address)
  if (mine === undefined || mine.every((byte, index) => byte === read[index])) return true
  const hint = 'call dmaSyncSingleForDevice() after the CPU wrote, and before the device is told'
  tell(checker, ledger, note, DmaMisuse.DeviceStale, done, 'that the CPU wrote and did not sync: stale', hint)
  return false
}

/** What the CPU has; undefined of an ArrayBuffer that the program has given away, of which the driver is told by others. */
function bytesOf(
  owner: SingleOwner,
  handle: MappingHandle,
  byteOffset: number,
  byteLength: number,
): Uint8Array | undefined {
  try {
    return owner.bytesOf(handle, byteOffset, byteLength)
  } catch {
    return undefined
  }
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
