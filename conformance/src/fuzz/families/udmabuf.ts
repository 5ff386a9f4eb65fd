import type { Family, Operation } from '../family'
import { describeBytes } from '../outcome'
import { dmaBufOperations } from './dma-buf-operations'
import { mappingOperations } from './mapping-operations'
import { descriptorOperations, fileOperations } from './memfd'
import { creations } from './udmabuf-creation'
import { DmaBufWorld } from './udmabuf-world'

const { memfd, hugeMemfd, duplicate, close } = descriptorOperations
const { addSeals, read, write } = fileOperations
const { mmap, unmap, poke, look, mlock, pin, pagemap, counts } = mappingOperations

/** The same, followed by a system call. */
const settled: Operation<DmaBufWorld> = {
  ...poke!,
  async run(words, world) {
    const outcome = await poke!.run(words, world)
    world.settle()
    return outcome
  },
}

/** Dma-bufs of memory and of heaps: what they can be made of, and who sees what of the bytes. */
export const udmabuf: Family<DmaBufWorld> = {
  name: 'udmabuf',
  machineKind: 'dma-buf',
  setUp: (host) => new DmaBufWorld(host),
  tearDown: (world) => world.close(),
  operations: {
    ...{ memfd: memfd!, hugeMemfd: hugeMemfd!, duplicate: duplicate!, close: close! },
    ...{ addSeals: { ...addSeals!, weight: 0.25 }, read: read!, write: write! },
    ...{
      mmap: mmap!,
      unmap: unmap!,
      poke: settled,
      look: look!,
      mlock: mlock!,
      pin: pin!,
      pagemap: pagemap!,
      counts: counts!,
    },
    ...creations,
    ...dmaBufOperations,
  },
  observe: (world) => [
    world.counts(),
    ...world.mappings
      .open()
      .map(({ mapping }) => (mapping.closed ? 'closed' : describeBytes(mapping.bytes.subarray(0, 16_384)))),
  ],
}
