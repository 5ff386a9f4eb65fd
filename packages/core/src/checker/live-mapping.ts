import type { DmaAddress } from '../vocabulary/address'
import type { DmaDirection } from '../vocabulary/direction'
import type { MappingLedger } from './mapping-ledger'
import { MappingFamily } from './mapping-records'

/** What is mapped now, as a checker tells it. */
export interface LiveMapping {
  /** Name of the device. */
  readonly device: string
  /** What made it: `sg` for a segment of a table. */
  readonly family: 'single' | 'sg' | 'coherent' | 'resource' | 'noncoherent'
  readonly address: DmaAddress
  /** Bytes. */
  readonly size: number
  readonly direction: DmaDirection
  readonly owner: 'cpu' | 'device' | 'both'
  /** Frames of the program, innermost first, one a line. */
  readonly mappedAt: string
  /** Milliseconds since it was mapped, or since the checker was set. */
  readonly age: number
}

/** Each family in a word. */
export const familyName = {
  [MappingFamily.Single]: 'single',
  [MappingFamily.Sg]: 'sg',
  [MappingFamily.Coherent]: 'coherent',
  [MappingFamily.Resource]: 'resource',
  [MappingFamily.Noncoherent]: 'noncoherent',
} as const

/** All of one record, in words and numbers. */
export function describeLive(ledger: MappingLedger, note: number): LiveMapping {
  const { records, device } = ledger
  const { address, size, direction, mappedAt } = ledger.factsOf(note)
  const cpuOwns = ledger.ownerOf(note).isCpuOwned?.(ledger.handleOf(note))
  return {
    device: device.name,
    family: familyName[records.familyOf(note)],
    address: address!,
    size: size!,
    direction: direction!,
    owner: cpuOwns === undefined ? 'both' : cpuOwns ? 'cpu' : 'device',
    mappedAt: mappedAt ?? 'at an unknown place',
    age: device.kernel.clock.now() - records.timeOf(note),
  }
}
