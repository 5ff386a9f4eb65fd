import {
  type CoherentAllocation,
  type DmaAddress,
  type DmaDevice,
  dmaAllocCoherent,
  type IoRegion,
  lowerHalf,
  upperHalf,
} from '@linux-dma/core'
import * as e1000 from './registers'

/**
 * A ring of descriptors in memory that the card and the driver share. The card works from head to tail and says of each
 * descriptor when it is done with it; the driver moves the tail. Head equal to tail means that the card has none, so
 * that one descriptor is always kept back.
 */
export class DescriptorRing implements Disposable {
  /** Descriptors in the ring. */
  readonly length: number
  readonly #memory: CoherentAllocation
  readonly #words: Uint32Array
  readonly #tail: { write(value: number): void }

  /**
   * Allocates the ring and tells the card where it is. The card has to be stopped.
   * @param offset of the ring's registers
   * @param length a multiple of 8
   */
  constructor(device: DmaDevice, registers: IoRegion, offset: number, length: number) {
    this.length = length
    this.#memory = dmaAllocCoherent(device, length * e1000.DESCRIPTOR_BYTES)
    const { bytes } = this.#memory
    this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
    registers.write32(offset + e1000.RING_BASE_LOW, lowerHalf(this.#memory.dmaAddress))
    registers.write32(offset + e1000.RING_BASE_HIGH, upperHalf(this.#memory.dmaAddress))
    registers.write32(offset + e1000.RING_LENGTH, bytes.byteLength)
    registers.write32(offset + e1000.RING_HEAD, 0)
    registers.write32(offset + e1000.RING_TAIL, 0)
    this.#tail = registers.register32(offset + e1000.RING_TAIL)
  }

  /** The index after this one. */
  next(index: number): number {
    return index + 1 === this.length ? 0 : index + 1
  }

  /** Writes a descriptor, its status empty. The card looks at it when the tail has passed it. */
  write(index: number, address: DmaAddress, lengthAndCommand: number): void {
    const word = index * e1000.DESCRIPTOR_WORDS
    this.#words[word] = lowerHalf(address)
    this.#words[word + 1] = upperHalf(address)
    this.#words[word + e1000.LENGTH_WORD] = lengthAndCommand
    this.#words[word + e1000.STATUS_WORD] = 0
  }

  /**
   * A descriptor's status, 0 while the card has not written it. `Atomics` keeps later reads, of the length and of the
   * frame itself, from being done before this one: the kernel's `dma_rmb()`.
   */
  status(index: number): number {
    return Atomics.load(this.#words, index * e1000.DESCRIPTOR_WORDS + e1000.STATUS_WORD)
  }

  /** Bytes that the card put into the buffer. */
  byteLength(index: number): number {
    return this.#words[index * e1000.DESCRIPTOR_WORDS + e1000.LENGTH_WORD]! & 0xffff
  }

  /** Gives the card all descriptors before this one. A register write is ordered after the writes to memory. */
  moveTail(index: number): void {
    this.#tail.write(index)
  }

  /** Gives the memory back. The card has to be stopped. */
  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]()
  }
}
