import {
  assertDevice,
  assertTransferDirection,
  type DmaAttributes,
  type DmaDevice,
  DmaDirection,
  DmaError,
  DmaMisuse,
  directionName,
  misused,
  type TransferDirection,
} from '@linux-dma/core'
import type { OrigNents } from '../table/counts'
import { SgTable } from '../table/sg-table'
import { findMapping } from '../table/table-mapping'
import { MappedSgTable } from './mapped-sg-table'

/**
 * Takes a table back from a device. Mirrors `dma_unmap_sgtable()`. As in the kernel it can also be named by the table that was mapped,
 * with the direction.
 * @param attributes `SkipCpuSync` where nothing that the device wrote is wanted
 * @throws DMA_NOT_MAPPED the second time; DMA_WRONG_DEVICE; DMA_ATTRIBUTE; DMA_INVALID_ARGUMENT; by the table also DMA_WRONG_DIRECTION,
 *   and DMA_NOT_MAPPED where it is mapped several times and none fits in all
 */
export function dmaUnmapSgtable(device: DmaDevice, mapped: MappedSgTable, attributes?: DmaAttributes): void
export function dmaUnmapSgtable(
  device: DmaDevice,
  table: SgTable,
  direction: TransferDirection,
  attributes?: DmaAttributes,
): void
export function dmaUnmapSgtable(
  device: DmaDevice,
  mapped: MappedSgTable | SgTable,
  directionOrAttributes?: number,
  attributes?: DmaAttributes,
): void {
  if (mapped instanceof SgTable) {
    const named = { device, table: mapped, nents: mapped.origNents, direction: directionOrAttributes }
    findToUnmap('dmaUnmapSgtable', named).unmap(attributes)
    return
  }
  assertMappedFor(device, mapped, 'unmap')
  mapped.unmap(directionOrAttributes)
}

/**
 * Takes a list back from a device. Mirrors `dma_unmap_sg()`. As in the kernel it can also be named by the table that was mapped, with
 * the direction.
 * @param nents the count that was passed to `dmaMapSg`, not the one that the device sees
 * @throws DMA_WRONG_NENTS for another count; what {@link dmaUnmapSgtable} throws
 */
export function dmaUnmapSg(
  device: DmaDevice,
  mapped: MappedSgTable,
  nents: OrigNents,
  attributes?: DmaAttributes,
): void
export function dmaUnmapSg(
  device: DmaDevice,
  table: SgTable,
  nents: OrigNents,
  direction: TransferDirection,
  attributes?: DmaAttributes,
): void
export function dmaUnmapSg(
  device: DmaDevice,
  mapped: MappedSgTable | SgTable,
  nents: OrigNents,
  directionOrAttributes?: number,
  attributes?: DmaAttributes,
): void {
  if (mapped instanceof SgTable) {
    const named = { device, table: mapped, nents, direction: directionOrAttributes }
    findToUnmap('dmaUnmapSg', named).unmap(attributes)
    return
  }
  assertMappedFor(device, mapped, 'unmap', nents)
  mapped.unmap(directionOrAttributes)
}

/**
 * Lends a mapped table to the CPU. Mirrors `dma_sync_sgtable_for_cpu()`; by the table that was mapped, with the direction.
 * @throws DMA_NOT_MAPPED, DMA_WRONG_DEVICE; by the table also DMA_WRONG_DIRECTION
 */
export function dmaSyncSgtableForCpu(device: DmaDevice, mapped: MappedSgTable): void
export function dmaSyncSgtableForCpu(device: DmaDevice, table: SgTable, direction: TransferDirection): void
export function dmaSyncSgtableForCpu(
  device: DmaDevice,
  mapped: MappedSgTable | SgTable,
  direction?: TransferDirection,
): void {
  const nents = mapped instanceof SgTable ? mapped.origNents : undefined
  findToSync('dmaSyncSgtableForCpu', device, mapped, nents, direction, true).syncForCpu()
}

/** Gives a mapped table back to the device. Mirrors `dma_sync_sgtable_for_device()`. @throws as {@link dmaSyncSgtableForCpu} */
export function dmaSyncSgtableForDevice(device: DmaDevice, mapped: MappedSgTable): void
export function dmaSyncSgtableForDevice(device: DmaDevice, table: SgTable, direction: TransferDirection): void
export function dmaSyncSgtableForDevice(
  device: DmaDevice,
  mapped: MappedSgTable | SgTable,
  direction?: TransferDirection,
): void {
  const nents = mapped instanceof SgTable ? mapped.origNents : undefined
  findToSync('dmaSyncSgtableForDevice', device, mapped, nents, direction, false).syncForDevice()
}

/**
 * Lends a mapped list to the CPU. Mirrors `dma_sync_sg_for_cpu()`; by the table that was mapped, with the direction.
 * @param nents the count that was passed to `dmaMapSg`
 * @throws DMA_WRONG_NENTS; else as {@link dmaSyncSgtableForCpu}
 */
export function dmaSyncSgForCpu(device: DmaDevice, mapped: MappedSgTable, nents: OrigNents): void
export function dmaSyncSgForCpu(
  device: DmaDevice,
  table: SgTable,
  nents: OrigNents,
  direction: TransferDirection,
): void
export function dmaSyncSgForCpu(
  device: DmaDevice,
  mapped: MappedSgTable | SgTable,
  nents: OrigNents,
  direction?: TransferDirection,
): void {
  findToSync('dmaSyncSgForCpu', device, mapped, nents, direction, true).syncForCpu()
}

/** Gives a mapped list back to the device. Mirrors `dma_sync_sg_for_device()`. @throws as {@link dmaSyncSgForCpu} */
export function dmaSyncSgForDevice(device: DmaDevice, mapped: MappedSgTable, nents: OrigNents): void
export function dmaSyncSgForDevice(
  device: DmaDevice,
  table: SgTable,
  nents: OrigNents,
  direction: TransferDirection,
): void
export function dmaSyncSgForDevice(
  device: DmaDevice,
  mapped: MappedSgTable | SgTable,
  nents: OrigNents,
  direction?: TransferDirection,
): void {
  findToSync('dmaSyncSgForDevice', device, mapped, nents, direction, false).syncForDevice()
}

/** A mapping of a table as the kernel's functions name it. */
interface NamedTable {
  readonly device: DmaDevice
  readonly table: SgTable
  readonly nents: number
  readonly direction: number | undefined
}

/** @throws DMA_NOT_MAPPED, DMA_WRONG_NENTS, DMA_WRONG_DIRECTION; DMA_INVALID_ARGUMENT */
function findToUnmap(of: string, named: NamedTable): MappedSgTable {
  const mapped = find(of, named, DmaMisuse.UnmapUnknown)
  assertNents(mapped, named.nents, DmaMisuse.UnmapEntries)
  if (mapped.direction !== named.direction) throw wrongDirection(of, mapped, named, DmaMisuse.UnmapDirection)
  return mapped
}

/** @throws DMA_NOT_MAPPED, DMA_WRONG_NENTS, DMA_WRONG_DIRECTION; DMA_WRONG_DEVICE; DMA_INVALID_ARGUMENT */
function findToSync(
  of: string,
  device: DmaDevice,
  table: MappedSgTable | SgTable,
  nents: OrigNents | undefined,
  direction: TransferDirection | undefined,
  forCpu: boolean,
): MappedSgTable {
  if (!(table instanceof SgTable)) {
    assertMappedFor(device, table, 'sync', nents)
    return table
  }
  const named = { device, table, nents: nents!, direction }
  const mapped = find(of, named, DmaMisuse.SyncUnknown)
  assertNents(mapped, named.nents, DmaMisuse.SyncEntries)
  if (mapped.direction !== DmaDirection.Bidirectional && mapped.direction !== direction) {
    throw wrongDirection(of, mapped, named, syncMisuse(mapped.direction, forCpu))
  }
  return mapped
}

function syncMisuse(mapped: DmaDirection, forCpu: boolean): DmaMisuse {
  if (forCpu && mapped === DmaDirection.ToDevice) return DmaMisuse.SyncCpuReadOnly
  if (!forCpu && mapped === DmaDirection.FromDevice) return DmaMisuse.SyncDeviceWriteOnly
  return DmaMisuse.SyncDirection
}

function find(of: string, { device, table, nents, direction }: NamedTable, misuse: DmaMisuse): MappedSgTable {
  assertDevice(of, device)
  assertTransferDirection(direction)
  const mapped = findMapping(table, device, nents, direction)
  if (mapped) return mapped as MappedSgTable
  throw misused(
    device,
    misuse,
    new DmaError(
      'DMA_NOT_MAPPED',
      `${of}: ${device.name} has no mapping of the table that can be told apart`,
      {
        hint: 'look for a second unmap; where a table is mapped several times, pass what dmaMapSgtable() returned',
      },
    ),
    { size: table.byteLength, direction, expected: 'a table that is mapped', actual: 'one that is not' },
  )
}

function wrongDirection(
  of: string,
  mapped: MappedSgTable,
  { direction }: NamedTable,
  misuse: DmaMisuse,
): DmaError {
  const given = directionName(direction as DmaDirection)
  const own = directionName(mapped.direction)
  const error = new DmaError('DMA_WRONG_DIRECTION', `${of}: ${given}, and the mapping is ${own}`, {
    hint: 'pass the direction of the map; what both sides write is mapped DmaDirection.Bidirectional',
  })
  return mapped.misused(misuse, error, own, given)
}

function assertMappedFor(
  device: DmaDevice,
  mapped: MappedSgTable,
  verb: 'unmap' | 'sync',
  nents?: OrigNents,
): void {
  if (!(mapped instanceof MappedSgTable)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `${typeof mapped} is no mapped table`, {
      hint: 'pass what dmaMapSgtable() returned',
    })
  }
  if (mapped.device !== device) {
    assertDevice('a mapped table', device)
    const error = new DmaError(
      'DMA_WRONG_DEVICE',
      `the table is ${mapped.device.name}’s, not ${device.name}’s`,
      { hint: 'a DMA address means something only on the device it was mapped for' },
    )
    const misuse = verb === 'unmap' ? DmaMisuse.UnmapUnknown : DmaMisuse.SyncUnknown
    throw mapped.misused(misuse, error, device.name, mapped.device.name)
  }
  if (nents !== undefined) {
    assertNents(mapped, nents, verb === 'unmap' ? DmaMisuse.UnmapEntries : DmaMisuse.SyncEntries)
  }
}

function assertNents(mapped: MappedSgTable, nents: number, misuse: DmaMisuse): void {
  const { origNents } = mapped.table
  if (nents === origNents) return
  const error = new DmaError('DMA_WRONG_NENTS', `${String(nents)} segments, where ${origNents} were mapped`, {
    hint: 'pass mapped.table.origNents, which counts the pieces in memory; nents counts what the device sees',
  })
  throw mapped.misused(misuse, error, `${origNents} entries`, String(nents))
}
