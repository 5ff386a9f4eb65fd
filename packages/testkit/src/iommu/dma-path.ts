/** One step of a device access: bytes that lie together, or, without `memory`, bytes that cannot be reached. */
export interface DmaSegment {
  readonly byteLength: number
  readonly memory?: Uint8Array
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
