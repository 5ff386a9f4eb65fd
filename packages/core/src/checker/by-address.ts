import { DmaError } from '@linux-dma/native'
import { shown } from '../checks/shown'
import { assertByteLength, assertDevice } from '../checks/validate'
import type { DmaDevice } from '../device/dma-device'
import {
  addToDmaAddress,
  type DmaAddress,
  dmaAddress,
  formatDmaAddress,
  toNumber,
} from '../vocabulary/address'
import { assertTransferDirection, DmaDirection, directionName } from '../vocabulary/direction'
import type { DmaReportFacts } from './dma-report'
import { familyName } from './live-mapping'
import type { MappingLedger } from './mapping-ledger'
import { MappingFamily, type Wanted } from './mapping-records'
import { DmaMisuse } from './misuse'
import { misused } from './misused'
import { ledgerOf } from './set-dma-checker'

/** An address as a program has it: of a mapping, or out of a descriptor in memory. */
export type AnyDmaAddress = DmaAddress | bigint

/** What a mapping is named by, where there is no object for it: as in the kernel. */
export interface NamedMapping {
  /** The function that was called. */
  readonly of: string
  readonly device: DmaDevice
  readonly address: AnyDmaAddress
  readonly byteLength: number
  readonly direction: DmaDirection
  readonly family: MappingFamily
}

/** What was found. */
export interface FoundMapping {
  readonly ledger: MappingLedger
  readonly note: number
  readonly address: DmaAddress
}

/** What a failed mapping has for an address in the kernel: all ones. */
const MAPPING_ERROR = 0xffff_ffff_ffff_ffffn

/** Whether what stands for a mapping is an address. */
export function isAddress(value: unknown): value is AnyDmaAddress {
  return typeof value === 'number' || typeof value === 'bigint'
}

/**
 * The mapping that a program wants to end, after every check that the kernel makes.
 * @throws DMA_NOT_MAPPED, DMA_WRONG_SIZE, DMA_WRONG_FAMILY, DMA_WRONG_DIRECTION; DMA_ADDRESS_RANGE; DMA_INVALID_ARGUMENT
 */
export function findToEnd(named: NamedMapping): FoundMapping {
  const { device } = named
  const { ledger, wanted, address } = lookUp(named)
  const note = ledger.records.findAt(wanted)
  if (note === 0) throw notMapped(DmaMisuse.UnmapUnknown, ledger, named, address)
  const { records } = ledger
  const facts = { ...ledger.factsOf(note), size: named.byteLength }
  const mappedLength = records.byteLengthOf(note)
  if (mappedLength !== named.byteLength) {
    throw misused(
      device,
      DmaMisuse.UnmapSize,
      new DmaError(
        'DMA_WRONG_SIZE',
        `${named.of}: ${named.byteLength} bytes at ${formatDmaAddress(address)}, where ${mappedLength} are mapped`,
        { hint: 'pass the size that was mapped or allocated, not the one that the device filled' },
      ),
      { ...facts, expected: `${mappedLength} bytes`, actual: `${named.byteLength} bytes` },
    )
  }
  const family = records.familyOf(note)
  if (family !== named.family) throw wrongFamily(ledger, named, note, address)
  const direction = records.directionOf(note)
  if (direction !== named.direction) throw wrongDirection(DmaMisuse.UnmapDirection, ledger, named, note)
  return { ledger, note, address }
}

/**
 * The mapping that a program wants to sync a part of.
 * @param byteOffset bytes from the address to the part
 * @throws DMA_NOT_MAPPED, DMA_RANGE, DMA_WRONG_DIRECTION; DMA_ADDRESS_RANGE; DMA_INVALID_ARGUMENT
 */
export function findToSync(
  named: NamedMapping,
  byteOffset: number,
  forCpu: boolean,
): FoundMapping & { readonly offset: number } {
  assertOffset(named.of, byteOffset)
  const { device, byteLength, direction } = named
  const { ledger, wanted, address: start } = lookUp(named)
  const address = addToDmaAddress(start, byteOffset)
  const { records } = ledger
  const note = records.findAround({ ...wanted, address: toNumber(address) })
  if (note === 0) throw notMapped(DmaMisuse.SyncUnknown, ledger, named, address)
  if (![MappingFamily.Single, MappingFamily.Noncoherent].includes(records.familyOf(note))) {
    throw notSingle(ledger, named, note, address)
  }
  const offset = toNumber(address) - records.addressOf(note)
  const mapped = records.byteLengthOf(note)
  if (offset + byteLength > mapped) {
    throw misused(
      device,
      DmaMisuse.SyncRange,
      new DmaError(
        'DMA_RANGE',
        `${named.of}: ${byteLength} bytes from byte ${offset} on are not inside the mapping of ${mapped}`,
        { hint: `from there on it has ${mapped - offset} bytes` },
      ),
      {
        ...ledger.factsOf(note),
        size: byteLength,
        expected: `up to ${mapped - offset} bytes`,
        actual: `${byteLength} bytes`,
      },
    )
  }
  const mappedDirection = records.directionOf(note)
  if (mappedDirection !== DmaDirection.Bidirectional && mappedDirection !== direction) {
    throw wrongDirection(syncMisuse(mappedDirection, forCpu), ledger, named, note)
  }
  return { ledger, note, address, offset }
}

/** Which of the three: of a mapping that only one side writes, and a sync in that side's favour, it is told apart. */
function syncMisuse(mapped: DmaDirection, forCpu: boolean): DmaMisuse {
  if (forCpu && mapped === DmaDirection.ToDevice) return DmaMisuse.SyncCpuReadOnly
  if (!forCpu && mapped === DmaDirection.FromDevice) return DmaMisuse.SyncDeviceWriteOnly
  return DmaMisuse.SyncDirection
}

function lookUp(named: NamedMapping): { ledger: MappingLedger; wanted: Wanted; address: DmaAddress } {
  const { of, device, byteLength, direction, family } = named
  assertDevice(of, device)
  device.assertOpen()
  assertGiven(of, byteLength)
  assertByteLength('byteLength', byteLength)
  assertTransferDirection(direction)
  const address = assertNoError(named)
  const wanted = { address: toNumber(address), byteLength, family, direction, entries: 0 }
  return { ledger: ledgerOf(device), wanted, address }
}

/** A handle of a region is a number too. @throws DMA_INVALID_ARGUMENT */
function assertGiven(of: string, byteLength: number | undefined): void {
  if (byteLength !== undefined) return
  throw new DmaError('DMA_INVALID_ARGUMENT', `${of}: an address, and no size`, {
    hint: 'pass what dmaMapSingle() returned; or an address, with the size and the direction that were mapped; a handle of a region goes to region.unmapSingle() and its like',
  })
}

/** @throws DMA_ADDRESS_RANGE */
function assertNoError({ of, device, address, byteLength, direction }: NamedMapping): DmaAddress {
  if (address !== MAPPING_ERROR && toNumber(address as DmaAddress) !== 2 ** 64) {
    return dmaAddress(address as unknown as number)
  }
  throw misused(
    device,
    DmaMisuse.UnmapError,
    new DmaError('DMA_ADDRESS_RANGE', `${of}: the address is all ones, which no mapping has`, {
      hint: 'it is what the kernel has for a mapping that failed, and what a device that is gone answers: look where it was read',
    }),
    { size: byteLength, direction, expected: 'the address of a mapping', actual: 'all ones' },
  )
}

function assertOffset(of: string, byteOffset: number): void {
  if (Number.isSafeInteger(byteOffset) && byteOffset >= 0) return
  throw new DmaError('DMA_RANGE', `${of}: ${shown(byteOffset)} is no offset of bytes`)
}

function notMapped(
  misuse: DmaMisuse,
  ledger: MappingLedger,
  { of, device, byteLength, direction, family }: NamedMapping,
  address: DmaAddress,
): DmaError {
  const ended = ledger.factsOfEnded(ledger.ended.at(address))
  const elsewhere = otherDevice(ledger, {
    address: toNumber(address),
    byteLength,
    direction,
    family,
    entries: 0,
  })
  const facts: DmaReportFacts = { ...ended, address, size: byteLength, direction }
  return misused(
    device,
    misuse,
    new DmaError(
      'DMA_NOT_MAPPED',
      `${of}: nothing of ${device.name} that can be told apart is mapped at ${formatDmaAddress(address)}`,
      {
        hint: elsewhere
          ? `${elsewhere} has a mapping there: an address means something only on its own device`
          : 'look for a second unmap, and at what the device or the descriptor made of the address',
      },
    ),
    { ...facts, expected: `a mapping of ${device.name}`, actual: elsewhere ? `one of ${elsewhere}` : 'none' },
  )
}

function otherDevice({ checker, device }: MappingLedger, wanted: Wanted): string | undefined {
  for (const other of checker?.ledgers ?? []) {
    if (other.device === device) continue
    if (other.records.findAt(wanted) > 0) return other.device.name
  }
  return undefined
}

function wrongFamily(
  ledger: MappingLedger,
  { of, device, byteLength, family }: NamedMapping,
  note: number,
  address: DmaAddress,
): DmaError {
  const found = familyName[ledger.records.familyOf(note)]
  return misused(
    device,
    DmaMisuse.UnmapFamily,
    new DmaError(
      'DMA_WRONG_FAMILY',
      `${of}: what is mapped at ${formatDmaAddress(address)} is ${found}, not ${familyName[family]}`,
      { hint: `end it by ${endedBy[found]}()` },
    ),
    { ...ledger.factsOf(note), size: byteLength, expected: familyName[family], actual: found },
  )
}

/** What ends a mapping of each family. */
const endedBy = {
  single: 'dmaUnmapSingle',
  sg: 'dmaUnmapSg',
  coherent: 'dmaFreeCoherent',
  resource: 'dmaUnmapResource',
  noncoherent: 'dmaFreeNoncoherent',
} as const

function notSingle(
  ledger: MappingLedger,
  { of, device, byteLength }: NamedMapping,
  note: number,
  address: DmaAddress,
): DmaError {
  const found = familyName[ledger.records.familyOf(note)]
  const hint =
    found === 'sg'
      ? 'sync the table: dmaSyncSgForCpu(), dmaSyncSgForDevice()'
      : 'it needs no syncs: CPU and device have it at the same time'
  return misused(
    device,
    DmaMisuse.SyncUnknown,
    new DmaError(
      'DMA_NOT_MAPPED',
      `${of}: what is mapped at ${formatDmaAddress(address)} is ${found}, and not single`,
      {
        hint,
      },
    ),
    { ...ledger.factsOf(note), size: byteLength, expected: 'single', actual: found },
  )
}

function wrongDirection(
  misuse: DmaMisuse,
  ledger: MappingLedger,
  { of, device, byteLength, direction }: NamedMapping,
  note: number,
): DmaError {
  const mapped = directionName(ledger.records.directionOf(note))
  const given = directionName(direction)
  return misused(
    device,
    misuse,
    new DmaError('DMA_WRONG_DIRECTION', `${of}: ${given}, and the mapping is ${mapped}`, {
      hint: 'pass the direction of the map; what both sides write is mapped DmaDirection.Bidirectional',
    }),
    { ...ledger.factsOf(note), size: byteLength, expected: mapped, actual: given },
  )
}
