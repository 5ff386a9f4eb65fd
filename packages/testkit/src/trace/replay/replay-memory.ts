import type { DmaPath, DmaSegment } from '../../iommu/dma-path'

/** Memory that a recorded driver has given to its device. */
interface ReplayedMapping {
  readonly address: number
  readonly bytes: Uint8Array
}

/** An access of the device to what the driver has not given to it. */
export interface OutsideAccess {
  readonly access: 'read' | 'write'
  /** DMA address. */
  readonly address: number
  readonly byteLength: number
}

/** Accesses that are kept of those that went wrong. */
const MOST_OUTSIDE = 100

/** What a device finds in a replay: each mapping of the trace at its recorded address, and nothing else. */
export class ReplayMemory implements DmaPath {
  /** Accesses to what was not mapped, oldest first. */
  readonly outside: OutsideAccess[] = []
  readonly #mappings = new Map<number, ReplayedMapping>()

  map(number: number, address: number, bytes: Uint8Array): void {
    this.#mappings.set(number, { address, bytes })
  }

  unmap(number: number): void {
    this.#mappings.delete(number)
  }

  /** The bytes of a part of a mapping; none of what is not mapped, and no more than there are. */
  bytesOf(number: number, address: number, byteLength: number): Uint8Array {
    const mapping = this.#mappings.get(number)
    if (!mapping || address < mapping.address) return new Uint8Array(0)
    const start = address - mapping.address
    return mapping.bytes.subarray(start, start + byteLength)
  }

  translate(address: number, byteLength: number, direction: 'read' | 'write'): DmaSegment {
    for (const { address: start, bytes } of this.#mappings.values()) {
      const offset = address - start
      if (offset < 0 || offset >= bytes.byteLength) continue
      const length = Math.min(byteLength, bytes.byteLength - offset)
      return { byteLength: length, memory: bytes.subarray(offset, offset + length) }
    }
    const length = Math.min(byteLength, this.#gapAfter(address))
    if (this.outside.length < MOST_OUTSIDE) {
      this.outside.push({ access: direction, address, byteLength: length })
    }
    return { byteLength: length }
  }

  /** Bytes from an address that is not mapped to one that is. */
  #gapAfter(address: number): number {
    const starts = Array.from(this.#mappings.values(), ({ address: start }) => start - address)
    return Math.min(...starts.filter((distance) => distance > 0), Number.MAX_SAFE_INTEGER)
  }
}
