import type { Storage } from '../memory/storage'

/** Registers of a device as another one reaches them. */
export interface PeerRegisters {
  /** Moves bytes between `bytes` and the registers from `byteOffset` on. */
  access(byteOffset: number, bytes: Uint8Array, direction: 'read' | 'write'): void
}

/** One step of a device access: bytes that lie together in memory or registers, or, with neither, out of reach. */
export interface DmaSegment {
  readonly byteLength: number
  readonly memory?: Uint8Array
  /** What the memory is part of: told when it was written to. */
  readonly storage?: Storage
  /** Where in that it begins. */
  readonly byteOffset?: number
  readonly registers?: { readonly peer: PeerRegisters; readonly byteOffset: number }
}

/** What lies between a device and memory. */
export interface DmaPath {
  /** What a device finds at a bus address, for at most `byteLength` bytes (1 or more). */
  translate(address: number, byteLength: number, direction: 'read' | 'write'): DmaSegment
}

/** An access that the IOMMU refused: nothing moved, and a device that read got zeros. */
export interface DmaFault {
  /** Bus address of the first byte that could not be reached. */
  readonly address: number
  readonly byteLength: number
  /** PCI address of the device. */
  readonly device: string
  /** Seen from the device: `write` is device to memory. */
  readonly direction: 'read' | 'write'
  /** Virtual milliseconds. */
  readonly time: number
}
