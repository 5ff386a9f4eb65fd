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

/** What is known of the file behind a descriptor; its duplicates share it. */
export interface FileFacts {
  readonly kind: 'memfd' | 'dma-buf' | 'sync file' | 'eventfd' | 'listener' | 'connection'
  /** Of a memfd, or a dma-buf. */
  readonly byteLength?: number
  /** That were put on a memfd. */
  seals?: number
}

const SEAL_SHRINK = 0x02
const SEAL_WRITE = 0x08
const SEAL_FUTURE_WRITE = 0x10

/** What an operation may ask of a descriptor. */
const demands = {
  ...{ memfd: isKind('memfd'), 'dma-buf': isKind('dma-buf'), 'sync file': isKind('sync file') },
  ...{ listener: isKind('listener'), connection: isKind('connection') },
  /** What can be mapped. */
  memory: ({ kind }: FileFacts) => kind === 'memfd' || kind === 'dma-buf',
  /** A memfd that a dma-buf can be made of. */
  sealed: ({ seals = 0 }: FileFacts) =>
    (seals & SEAL_SHRINK) !== 0 && (seals & (SEAL_WRITE | SEAL_FUTURE_WRITE)) === 0,
}
export type Demand = keyof typeof demands

function isKind(kind: FileFacts['kind']): (facts: FileFacts) => boolean {
  return (facts) => facts.kind === kind
}

/** A descriptor: any that the program has had, by index; or one of those that are open and what is meant. */
export type DescriptorWords = number | { readonly of: Demand; readonly index: number }

/** What a program of memory has opened. */
export class MemoryWorld {
  readonly descriptors = new Handles<number>()
  readonly mappings = new Handles<Mapped>()
  readonly pins = new Handles<MemoryPin>()
  readonly #files = new Map<number, FileFacts>()
  readonly #before: readonly (number | undefined)[]

  constructor(readonly kernel: Kernel) {
    this.#before = this.#memoryCounts()
  }

  /** Keeps a descriptor, and what is known of its file. @returns its index */
  add(fd: number, facts: FileFacts | undefined): number {
    if (facts === undefined) this.#files.delete(fd)
    else this.#files.set(fd, facts)
    return this.descriptors.add(fd)
  }

  fd(words: DescriptorWords): number {
    if (typeof words === 'number') return this.descriptors.at(words) ?? CLOSED_DESCRIPTOR
    const fits = (fd: number) => {
      const facts = this.#files.get(fd)
      return facts !== undefined && demands[words.of](facts)
    }
    return this.descriptors.fitting(words.index, fits) ?? CLOSED_DESCRIPTOR
  }

  factsOf(fd: number): FileFacts | undefined {
    return this.#files.get(fd)
  }

  /** Bytes in the file; undefined for what is no memfd. */
  sizeOf(fd: number): number | undefined {
    const facts = this.#files.get(fd)
    return facts?.kind === 'memfd' ? facts.byteLength : undefined
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
export const index: fc.Arbitrary<number> = fc.nat(7)
/** Mostly one that is what is meant. */
export const descriptorOf = (...meant: Demand[]): fc.Arbitrary<DescriptorWords> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ of: fc.constantFrom(...meant), index }) },
    { weight: 1, arbitrary: index },
  )
/** Bytes in a file. */
export const size = fc.oneof(
  fc.constantFrom(1, 4095, 4096, 4097, 8192, 12_288, 65_536),
  fc.integer({ min: 1, max: 40_000 }),
)
export const offset = fc.oneof(fc.constantFrom(0, 1, 4095, 4096, 8192), fc.nat(40_000))
export const length = fc.oneof(fc.constantFrom(0, 1, 4096, 4097), fc.nat(9000))
export const byte = fc.nat(255)
export const maybe = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined })
