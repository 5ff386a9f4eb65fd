import { type MemoryRange, pageSize } from '../memory/storage'
import type { DmaPath, DmaSegment, PeerRegisters } from './dma-path'

/** What a device may use at an IO virtual address: memory, or the registers of another device. */
export interface IovaMapping {
  readonly iova: number
  /** Bytes. */
  readonly size: number
  readonly memory?: MemoryRange
  readonly registers?: { readonly peer: PeerRegisters; readonly byteOffset: number }
  readonly read: boolean
  readonly write: boolean
}

/** The page table of an IOMMU domain: mappings that do not overlap, in the order of their IOVA. */
export class IovaTable<Mapping extends IovaMapping = IovaMapping> implements DmaPath {
  readonly #mappings: Mapping[] = []

  get size(): number {
    return this.#mappings.length
  }

  [Symbol.iterator](): Iterator<Mapping> {
    return this.#mappings.values()
  }

  /** The first mapping that has a byte in the range. */
  find(iova: number, size: number): Mapping | undefined {
    const mapping = this.#mappings[this.#firstEndingAfter(iova)]
    return mapping !== undefined && mapping.iova < iova + size ? mapping : undefined
  }

  /** All mappings that have a byte in the range, in order. */
  within(iova: number, size: number): Mapping[] {
    const first = this.#firstEndingAfter(iova)
    let end = first
    while (end < this.#mappings.length && this.#mappings[end]!.iova < iova + size) end++
    return this.#mappings.slice(first, end)
  }

  add(mapping: Mapping): void {
    this.#mappings.splice(this.#firstEndingAfter(mapping.iova), 0, mapping)
  }

  remove(mapping: Mapping): void {
    this.#mappings.splice(this.#firstEndingAfter(mapping.iova), 1)
  }

  translate(address: number, byteLength: number, direction: 'read' | 'write'): DmaSegment {
    const mapping = this.find(address, 1)
    if (mapping === undefined || !mapping[direction]) {
      return { byteLength: Math.min(byteLength, pageSize - (address % pageSize)) }
    }
    const offset = address - mapping.iova
    const part = Math.min(byteLength, mapping.size - offset)
    const { memory, registers } = mapping
    if (memory === undefined) {
      return registers === undefined
        ? { byteLength: part }
        : { byteLength: part, registers: { ...registers, byteOffset: registers.byteOffset + offset } }
    }
    const { storage } = memory
    const byteOffset = memory.byteOffset + offset
    return { byteLength: part, memory: storage.deviceBytes(byteOffset, part), storage, byteOffset }
  }

  /** Index of the first mapping whose end lies above an address. */
  #firstEndingAfter(iova: number): number {
    let low = 0
    let high = this.#mappings.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const { iova: start, size } = this.#mappings[middle]!
      if (start + size <= iova) low = middle + 1
      else high = middle
    }
    return low
  }
}
