import type { Kernel, MemoryMapping } from '@linux-dma/native'
import fc from 'fast-check'
import { type Family, operation } from './family'
import { CLOSED_DESCRIPTOR, Handles } from './handles'
import { describeBytes } from './outcome'

interface World {
  readonly kernel: Kernel
  readonly descriptors: Handles<number>
  /** Bytes in each file, by descriptor; of what is no memfd, nothing. */
  readonly sizes: Map<number, number>
  readonly mappings: Handles<{ mapping: MemoryMapping; writable: boolean }>
}

const index = fc.nat(7)
const size = fc.oneof(
  fc.constantFrom(1, 4095, 4096, 4097, 8192, 12_288, 65_536),
  fc.integer({ min: 1, max: 40_000 }),
)
const offset = fc.oneof(fc.constantFrom(0, 1, 4095, 4096, 8192), fc.nat(40_000))
const length = fc.oneof(fc.constantFrom(0, 1, 4096, 4097), fc.nat(9000))

const fdAt = ({ descriptors }: World, at: number) => descriptors.at(at) ?? CLOSED_DESCRIPTOR

/** Files in memory: seals, mappings, positions, and who sees what of the bytes. */
export const memfd: Family<World> = {
  name: 'memfd',
  machineKind: 'iommu',
  setUp: ({ kernel }) => ({ kernel, descriptors: new Handles(), sizes: new Map(), mappings: new Handles() }),
  tearDown({ kernel, descriptors, mappings }) {
    for (const { mapping } of mappings.open()) mapping.close()
    for (const fd of descriptors.open()) kernel.close(fd)
  },
  operations: {
    memfd: operation(
      fc.record({ byteLength: size }),
      ({ byteLength }, { kernel, descriptors, sizes }) => {
        const fd = kernel.memfd('fuzz', { byteLength })
        sizes.set(fd, byteLength)
        return descriptors.add(fd)
      },
      3,
    ),
    close: operation(fc.record({ fd: index }), ({ fd }, { kernel, descriptors }) =>
      kernel.close(descriptors.take(fd) ?? CLOSED_DESCRIPTOR),
    ),
    read: operation(
      fc.record({ fd: index, byteLength: length, position: fc.option(offset, { nil: undefined }) }),
      (words, world) => {
        const bytes = new Uint8Array(words.byteLength)
        const count = world.kernel.read(fdAt(world, words.fd), bytes, words.position)
        return [count, describeBytes(bytes)]
      },
    ),
  },
}
