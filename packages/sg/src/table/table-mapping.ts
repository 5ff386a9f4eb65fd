import type { DmaDevice, TransferDirection } from '@linux-dma/core'

/** A mapping of a table, in the list of those of the same table: newest first. */
export interface TableMapping {
  readonly device: DmaDevice
  readonly direction: TransferDirection
  /** Segments in memory. */
  readonly entries: number
  readonly mapped: boolean
  /** The one before it. */
  previousMapping: TableMapping | undefined
}

/** What keeps the list. */
interface Mapped {
  lastMapping: TableMapping | undefined
}

/** A table was mapped. */
export function addMapping(table: Mapped, mapping: TableMapping): void {
  mapping.previousMapping = table.lastMapping
  table.lastMapping = mapping
}

/** A mapping ended, or was never of the list. Those of which the memory was closed are left out on the way. */
export function removeMapping(table: Mapped, mapping: TableMapping): void {
  if (table.lastMapping === mapping) {
    table.lastMapping = mapping.previousMapping
    return
  }
  for (let at = table.lastMapping; at; at = at.previousMapping) {
    if (at.previousMapping === mapping) at.previousMapping = mapping.previousMapping
  }
}

/**
 * The mapping of a table that a program means by naming the table: of several the one that fits in all; else none, since nobody knows
 * then which.
 */
export function findMapping(
  table: Mapped,
  device: DmaDevice,
  entries: number,
  direction: TransferDirection,
): TableMapping | undefined {
  let matching = 0
  let last: TableMapping | undefined
  for (let at = table.lastMapping; at; at = at.previousMapping) {
    if (at.device !== device || !at.mapped) continue
    if (at.entries === entries && at.direction === direction) return at
    matching++
    last = at
  }
  return matching === 1 ? last : undefined
}
