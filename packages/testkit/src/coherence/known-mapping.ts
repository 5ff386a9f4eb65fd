import { DmaDirection } from '../u-dma-buf/direction'

/** What a checker of the packages, or a trace, tells of a mapping, as far as it is asked here. */
export interface KnownMapping {
  readonly device: string
  readonly family: 'single' | 'sg' | 'coherent' | 'resource' | 'noncoherent'
  readonly address: number
  /** Bytes. */
  readonly size: number
  readonly direction: DmaDirection
  readonly mappedAt: string
}

/** What a direction is called in a report, and in a trace. */
export const directionNames = {
  [DmaDirection.Bidirectional]: 'bidirectional',
  [DmaDirection.ToDevice]: 'to-device',
  [DmaDirection.FromDevice]: 'from-device',
} as const

/** What to do for the CPU to see what a device wrote. */
export function forCpuHint({ family, direction }: Pick<KnownMapping, 'family' | 'direction'>): string {
  if (direction === DmaDirection.ToDevice) {
    return 'it is mapped ToDevice, so that no sync brings back what the device wrote: map it FromDevice or Bidirectional'
  }
  const [sync, unmap] =
    family === 'sg'
      ? ['dmaSyncSgtableForCpu(device, mapped)', 'dmaUnmapSgtable(device, mapped)']
      : ['dmaSyncSingleForCpu(device, mapping)', 'dmaUnmapSingle(device, mapping)']
  return `call ${sync} before the CPU looks, or ${unmap} once the device is done`
}

/** The bytes that an access was about, as a part of their mapping where that is known. */
export function within(mapping: KnownMapping | undefined, address: number, byteLength: number): string {
  if (mapping === undefined) return `${byteLength} bytes at 0x${address.toString(16)}`
  const start = address - mapping.address
  const { size, direction } = mapping
  return `${range(start, start + byteLength)} of the ${size}-byte ${directionNames[direction]} mapping at 0x${mapping.address.toString(16)}`
}

export function range(start: number, end: number): string {
  return `bytes ${start}..${end - 1}`
}

export function milliseconds(time: number): string {
  return `${Number(time.toFixed(4))} ms`
}

export function mappedAt(mapping: KnownMapping | undefined): string {
  return mapping === undefined ? '' : `\n  mapped ${mapping.mappedAt.replaceAll('\n', '\n    ')}`
}
