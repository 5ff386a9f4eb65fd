import type { Kernel, MemoryMapping, MemoryPin } from '@linux-dma/native'
import fc from 'fast-check'
import { fdinfo } from '../../raw-dma-buf'
import { CLOSED_DESCRIPTOR, Handles } from '../handles'

export const HUGE_PAGE = 0x20_0000

/** A mapping, and what may be done to its bytes without ending the process. */
export interface Mapped {
  readonly mapping: MemoryMapping
  readonly writable: boolean
}

/** What a program of memory has opened. */
export class MemoryWorld {
  readonly descriptors = new Handles<number>()
  readonly mappings = new Handles<Mapped>()
  readonly pins = new Handles<MemoryPin>()
  /** Bytes in the file of each descriptor that is a memfd. */
  readonly #sizes = new Map<number, number>()
  readonly #before: readonly (number | undefined)[]

  constructor(readonly kernel: Kernel) {
    this.#before = this.#memoryCounts()
  }

  /** Keeps a descriptor, of a file of so many bytes where it is a memfd. @returns its index */
  add(fd: number, byteLength?: number): number {
    if (byteLength === undefined) this.#sizes.delete(fd)
    else this.#sizes.set(fd, byteLength)
    return this.descriptors.add(fd)
  }

  fd(index: number): number {
    return this.descriptors.at(index) ?? CLOSED_DESCRIPTOR
  }

  /** Bytes in the file; undefined for what is no memfd. */
  sizeOf(fd: number): number | undefined {
    return this.#sizes.get(fd)
  }

  /** Where the next read or write begins. */
  positionOf(fd: number): number {
    return fd === CLOSED_DESCRIPTOR ? 0 : Number(fdinfo(this.kernel, fd, 'pos'))
  }

  /** kB that are locked and pinned, beyond what was so before. */
  counts(): (number | undefined)[] {
    return this.#memoryCounts().map((count, index) => count! - this.#before[index]!)
  }

  close(): void {
    for (const pin of this.pins.open()) pin.close()
    for (const { mapping } of this.mappings.open()) mapping.close()
    for (const fd of this.descriptors.open()) this.kernel.close(fd)
  }

  #memoryCounts(): number[] {
    const status = this.kernel.readText('/proc/self/status')
    return ['VmLck', 'VmPin'].map((name) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]),
    )
  }
}

/** Which of what was opened. */
export const index = fc.nat(7)
/** Bytes in a file. */
export const size = fc.oneof(
  fc.constantFrom(1, 4095, 4096, 4097, 8192, 12_288, 65_536),
  fc.integer({ min: 1, max: 40_000 }),
)
export const offset = fc.oneof(fc.constantFrom(0, 1, 4095, 4096, 8192), fc.nat(40_000))
export const length = fc.oneof(fc.constantFrom(0, 1, 4096, 4097), fc.nat(9000))
export const byte = fc.nat(255)
export const maybe = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined })
