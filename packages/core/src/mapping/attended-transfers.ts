import { DmaMisuse } from '../checker/misuse'
import type { DmaDevice } from '../device/dma-device'
import { assertCoherent } from '../device/need-sync'
import { addToDmaAddress, type DmaAddress } from '../vocabulary/address'
import {
  assertAttributes,
  DmaAttribute,
  type DmaAttributes,
  hasAttribute,
  NOT_FOR_STREAMING,
} from '../vocabulary/attributes'
import { assertEntered, enterMapping, enterSync, leaveMapping, noteSync } from './ledger-entries'
import type { MappingHandle, MappingTable } from './mapping-table'

/*
 * What a region does at each change of ownership on a path that is not coherent, or that may bounce, and what it does
 * about attributes. Apart from the region, whose own functions stay short enough for engines to inline them.
 */

/** The region that a mapping lies in. */
export interface TransferPlace {
  readonly device: DmaDevice
  readonly firstAddress: DmaAddress
  readonly memoryOffset: number
  /** Nothing of it ever goes through a slot. */
  readonly inPlace: boolean
  bytesAt(byteOffset: number, byteLength: number): Uint8Array
}

/** Where the device finds a mapping's first byte: in place, or in a slot. */
export function transferAddress(
  place: TransferPlace,
  table: MappingTable,
  handle: MappingHandle,
): DmaAddress {
  return table.bounceAddress(handle) ?? addToDmaAddress(place.firstAddress, table.byteOffset(handle))
}

/** Bounces a new mapping, or makes what the CPU wrote visible to the device; the mapping is gone where that fails. */
export function beginTransfer(
  place: TransferPlace,
  table: MappingTable,
  handle: MappingHandle,
  attributes: DmaAttributes,
): void {
  const { device } = place
  const { ops } = device
  const byteOffset = table.byteOffset(handle)
  const byteLength = table.byteLength(handle)
  const direction = table.direction(handle)
  try {
    assertAttributes('mapSingle', attributes, NOT_FOR_STREAMING)
    const address = addToDmaAddress(place.firstAddress, byteOffset)
    const inPage = (place.memoryOffset + byteOffset) % device.kernel.pageSize
    const bounces = !place.inPlace && ops.bouncer?.needed(device, address, inPage, byteLength) === true
    const bouncer = bounces ? ops.bouncer : undefined
    if (hasAttribute(attributes, DmaAttribute.RequireCoherent)) assertCoherent(device, bouncer !== undefined)
    if (bouncer) {
      const slot = bouncer.map(device, place.bytesAt(byteOffset, byteLength), direction)
      table.setBounceAddress(handle, slot)
    } else if (!hasAttribute(attributes, DmaAttribute.SkipCpuSync)) {
      ops.syncForDevice?.(device, address, byteLength, direction)
    }
    enterMapping(place, table, handle, attributes)
  } catch (error) {
    table.remove(handle)
    throw error
  }
}

/** Copies back what was bounced, or makes what the device wrote visible to the CPU; the mapping itself is still there. */
export function endTransfer(
  place: TransferPlace,
  table: MappingTable,
  handle: MappingHandle,
  attributes: DmaAttributes,
): void {
  assertAttributes('unmapSingle', attributes, NOT_FOR_STREAMING)
  assertEntered(place, table, handle, DmaMisuse.UnmapUnknown)
  const { device } = place
  const skip = hasAttribute(attributes, DmaAttribute.SkipCpuSync)
  const slot = table.bounceAddress(handle)
  try {
    if (slot !== undefined) {
      device.ops.bouncer?.unmap(device, slot, skip)
    } else if (!skip) {
      const address = transferAddress(place, table, handle)
      device.ops.syncForCpu?.(device, address, table.byteLength(handle), table.direction(handle))
    }
    leaveMapping(place, table, handle)
  } catch (error) {
    // The mapping ends, and slots are given back, whatever went wrong with the bytes.
    device.ledger?.drop(table.note(handle), place as never, handle)
    table.remove(handle)
    throw error
  }
}

/** Syncs a part of a mapping: offset and length within it, already checked. */
export function syncTransfer(
  place: TransferPlace,
  table: MappingTable,
  verb: 'syncForCpu' | 'syncForDevice',
  handle: MappingHandle,
  byteOffset: number,
  byteLength: number,
): void {
  enterSync(place, table, handle, verb)
  const { device } = place
  const address = addToDmaAddress(transferAddress(place, table, handle), byteOffset)
  if (table.bounceAddress(handle) !== undefined) {
    device.ops.bouncer?.[verb](device, address, byteLength)
  } else {
    device.ops[verb]?.(device, address, byteLength, table.direction(handle))
  }
  noteSync(place, table, handle, verb, byteOffset, byteLength)
}
