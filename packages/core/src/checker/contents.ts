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
  records.setChecksum(note, checksum(owner.bytesOf(handle, 0, records.byteLengthOf(note))))
}

/** Whether the CPU wrote to it all the same. */
export function contentsChanged(
  records: MappingRecords,
  note: number,
  owner: SingleOwner,
  handle: MappingHandle,
): boolean {
  if (records.directionOf(note) !== DmaDirection.ToDevice || owner.isCpuOwned?.(handle) === true) return false
  return checksum(owner.bytesOf(handle, 0, records.byteLengthOf(note))) !== records.checksumOf(note)
}
