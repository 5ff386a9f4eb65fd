import type { MappingHandle } from '../mapping/mapping-table'
import { DmaDirection } from '../vocabulary/direction'
import { checksum } from './checksum'
import type { SingleOwner } from './mapping-owner'
import type { MappingRecords } from './mapping-records'

/** Takes down what the device is given, where the CPU must not write to it. */
export function noteContents(
  records: MappingRecords,
  note: number,
  owner: SingleOwner,
  handle: MappingHandle,
): void {
  if (records.directionOf(note) !== DmaDirection.ToDevice) return
  const sum = checksumOf(records, note, owner, handle)
  if (sum !== undefined) records.setChecksum(note, sum)
}

/** Whether the CPU wrote to it all the same. */
export function contentsChanged(
  records: MappingRecords,
  note: number,
  owner: SingleOwner,
  handle: MappingHandle,
): boolean {
  if (records.directionOf(note) !== DmaDirection.ToDevice || owner.isCpuOwned?.(handle) === true) return false
  const sum = checksumOf(records, note, owner, handle)
  return sum !== undefined && sum !== records.checksumOf(note)
}

/** Undefined where there is nothing to look at: the program gave its ArrayBuffer away, which must not keep a mapping from ending. */
function checksumOf(
  records: MappingRecords,
  note: number,
  owner: SingleOwner,
  handle: MappingHandle,
): number | undefined {
  let bytes: Uint8Array
  try {
    bytes = owner.bytesOf(handle, 0, records.byteLengthOf(note))
  } catch {
    return undefined
  }
  return checksum(bytes)
}
