import type { MappingLedger } from '../checker/mapping-ledger'
import type { SingleOwner } from '../checker/mapping-owner'
import { MappingFamily } from '../checker/mapping-records'
import { DmaMisuse } from '../checker/misuse'
import { misused } from '../checker/misused'
import { tellOfLeft } from '../checker/pending'
import { addToDmaAddress, type DmaAddress } from '../vocabulary/address'
import type { DmaAttributes } from '../vocabulary/attributes'
import type { TransferPlace } from './attended-transfers'
import { type MappingHandle, type MappingTable, stale } from './mapping-table'

/*
 * What a region tells the ledger of its device, where there is one. Apart from the region, whose own functions stay short.
 */

/** A region as its device's ledger sees it. */
interface LedgerPlace extends TransferPlace, SingleOwner {
  readonly coherent: boolean
  readonly byteLength: number
  readonly requested: number
}

/** There is a ledger now: it has all that is mapped. */
export function enterMappings(place: LedgerPlace, table: MappingTable, ledger: MappingLedger): void {
  if (place.coherent) {
    ledger.wholes.allocated(place, place.firstAddress, place.requested, false)
  }
  for (const handle of table.handles()) enter(place, table, handle, 0, ledger, false)
}

/** The region is closed: nothing of it is mapped any more. */
export function leaveMappings(place: LedgerPlace, table: MappingTable, ledger: MappingLedger): void {
  // What an allocation has for itself ends with it; and a device that is closed tells of all that it has left.
  if (!place.inPlace && !place.device.closed)
    tellOfLeft(
      ledger,
      [...table.handles()].map((handle) => table.note(handle)),
    )
  for (const handle of table.handles()) ledger.drop(table.note(handle), place, handle)
  ledger.forget(place)
}

/** A mapping was made. @throws what the checker has against it */
export function enterMapping(
  place: TransferPlace,
  table: MappingTable,
  handle: MappingHandle,
  attributes: DmaAttributes,
): void {
  const { ledger } = place.device
  // Only regions are such places.
  if (ledger) enter(place as LedgerPlace, table, handle, attributes, ledger, true)
}

/** A mapping ends: the last that is done about it. @throws what the checker found */
export function leaveMapping(place: TransferPlace, table: MappingTable, handle: MappingHandle): void {
  place.device.ledger?.endSingle(table.note(handle), place as LedgerPlace, handle)
}

/** Who syncs or ends a mapping that has ended is told of its end. @throws DMA_NOT_MAPPED */
export function assertEntered(
  place: TransferPlace,
  table: MappingTable,
  handle: MappingHandle,
  misuse: DmaMisuse,
): void {
  const { device } = place
  const { ledger } = device
  if (!ledger || table.has(handle)) return
  const ended = ledger.ended.of((place as LedgerPlace).ledgerNumber, handle as unknown as number)
  const facts = { expected: 'a live mapping', actual: ended ? 'one that was unmapped' : 'none' }
  throw misused(device, misuse, stale(), { ...ledger.factsOfEnded(ended), ...facts })
}

/** The bytes of a mapping are to be looked at: by whom. @throws what the checker found */
export function enterSync(
  place: TransferPlace,
  table: MappingTable,
  handle: MappingHandle,
  verb: 'syncForCpu' | 'syncForDevice',
): void {
  const { ledger } = place.device
  if (!ledger) return
  assertEntered(place, table, handle, DmaMisuse.SyncUnknown)
  const note = table.note(handle)
  if (verb === 'syncForCpu') ledger.lending(note, place as LedgerPlace, handle)
  else ledger.gaveBack(note, place as LedgerPlace, handle)
}

/** They were handed over: a part, by offset and length within the mapping. */
export function noteSync(
  place: TransferPlace,
  table: MappingTable,
  handle: MappingHandle,
  verb: 'syncForCpu' | 'syncForDevice',
  byteOffset: number,
  byteLength: number,
): void {
  const { ledger } = place.device
  ledger?.handedOver(table.note(handle), place as LedgerPlace, handle, verb, byteOffset, byteLength)
}

function enter(
  place: LedgerPlace,
  table: MappingTable,
  handle: MappingHandle,
  attributes: DmaAttributes,
  ledger: MappingLedger,
  isNew: boolean,
): void {
  const address: DmaAddress =
    table.bounceAddress(handle) ?? addToDmaAddress(place.firstAddress, table.byteOffset(handle))
  const family = place.inPlace ? MappingFamily.Noncoherent : MappingFamily.Single
  const byteLength = table.byteLength(handle)
  const direction = table.direction(handle)
  table.setNote(
    handle,
    ledger.single(place, handle, family, address, byteLength, direction, attributes, isNew),
  )
}
