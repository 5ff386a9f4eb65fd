import { fail } from '../errors'
import type { PeerRegisters } from '../iommu/dma-path'
import { type MemoryRange, pageSize, wholePages } from './storage'

const lowestAddress = 0x7f00_0000_0000
const highestAddress = 0x7fff_f000_0000

/** A mapped part of the fake process's address space. */
export interface Area {
  readonly address: number
  /** Bytes, in whole pages. */
  readonly byteLength: number
  readonly memory?: MemoryRange
  /** In place of memory: a device's registers, which have no pages. */
  readonly registers?: PeerRegisters
  readonly writable: boolean
}

/**
 * The virtual addresses of the fake process: numbers that lead back to memory, for the system calls that take a
 * pointer. An unmapped page lies between any two areas. Addresses come in rising order and start again at the
 * bottom, among the gaps, only at the end of the space, so that a stale address stays stale for long.
 */
export class AddressSpace {
  /** In the order of their addresses. */
  readonly #areas: Area[] = []
  #next = lowestAddress

  add(memory: MemoryRange, writable: boolean, alignment = pageSize): Area {
    return this.#place(memory.byteLength, alignment, { memory, writable })
  }

  addRegisters(registers: PeerRegisters, byteLength: number, writable: boolean): Area {
    return this.#place(byteLength, pageSize, { registers, writable })
  }

  remove(area: Area): void {
    const index = this.#indexAfter(area.address) - 1
    if (this.#areas[index] === area) this.#areas.splice(index, 1)
  }

  /** The area that holds an address. */
  find(address: number): Area | undefined {
    const area = this.#areas[this.#indexAfter(address) - 1]
    return area !== undefined && address < area.address + area.byteLength ? area : undefined
  }

  /** The process's own bytes at an address, for a pointer inside a structure. `EFAULT`. */
  bytesAt(address: bigint, byteLength: number, writable: boolean): Uint8Array {
    const area = address <= BigInt(highestAddress) ? this.find(Number(address)) : undefined
    const offset = Number(address) - (area?.address ?? 0)
    // Registers too: the fake's structures are never there.
    if (area?.memory === undefined || (writable && !area.writable) || offset + byteLength > area.byteLength) {
      return fail(
        'EFAULT',
        `no ${writable ? 'writable ' : ''}memory of ${byteLength} bytes at 0x${address.toString(16)}`,
      )
    }
    return area.memory.storage.bytes(area.memory.byteOffset + offset, byteLength)
  }

  #place(length: number, alignment: number, content: Pick<Area, 'memory' | 'registers' | 'writable'>): Area {
    const byteLength = wholePages(length)
    const address = this.#findGap(byteLength, alignment)
    const area: Area = { address, byteLength, ...content }
    this.#areas.splice(this.#indexAfter(address), 0, area)
    this.#next = address + byteLength + pageSize
    return area
  }

  /** Index of the first area that starts above an address. */
  #indexAfter(address: number): number {
    let low = 0
    let high = this.#areas.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#areas[middle]!.address <= address) low = middle + 1
      else high = middle
    }
    return low
  }

  #findGap(byteLength: number, alignment: number): number {
    const align = (address: number) => Math.ceil(address / alignment) * alignment
    let address = align(this.#next)
    for (const wrapped of [false, true]) {
      for (let index = this.#indexAfter(address); ; index++) {
        const following = this.#areas[index]?.address ?? highestAddress
        const previous = this.#areas[index - 1]
        const floor =
          previous === undefined ? lowestAddress : previous.address + previous.byteLength + pageSize
        address = align(Math.max(address, floor))
        if (address + byteLength + pageSize <= following) return address
        if (following === highestAddress) break
      }
      if (!wrapped) address = lowestAddress
    }
    return fail('ENOMEM', 'the address space is used up')
  }
}
