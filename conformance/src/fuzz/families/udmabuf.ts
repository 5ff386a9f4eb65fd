import { O_RDWR } from '@linux-dma/native'
import type { Family, Operation, Step } from '../family'
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

const sealed = (fd: number, byteLength: number): Step[] => [
  ['memfd', { byteLength }],
  ['addSeals', { fd, seals: 2 }],
]
const whole = (fd: number, byteLength: number) => ({ fd, offset: 0n, size: BigInt(byteLength) })

const beginnings: Step[][] = [
  [
    ...sealed(0, 16_384),
    ['create', { item: whole(0, 16_384), flags: 1 }],
    ['mmap', { fd: 1, pages: { first: 0, count: 4, odd: 0 }, writable: true }],
    ['attach', { fd: 1 }],
  ],
  [
    ...sealed(0, 8192),
    ...sealed(1, 12_288),
    ['createList', { items: [whole(0, 8192), whole(1, 12_288)], flags: 0 }],
    ['exportSyncFile', { fd: 2, flags: 3 }],
    ['exportSyncFile', { fd: 2, flags: 1 }],
  ],
  [
    ['allocate', { size: 65_536n, given: 0, flags: O_RDWR, heapFlags: 0n }],
    ...sealed(1, 4096),
    ['exportSyncFile', { fd: 0, flags: 1 }],
  ],
]

/** Dma-bufs of memory and of heaps: what they can be made of, and who sees what of the bytes. */
export const udmabuf: Family<DmaBufWorld> = {
  name: 'udmabuf',
  machineKind: 'dma-buf',
  setUp: (host) => new DmaBufWorld(host),
  tearDown: (world) => world.close(),
  operations: {
    ...{ memfd: memfd!, hugeMemfd: hugeMemfd!, duplicate: duplicate!, close: close! },
    ...{ addSeals: { ...addSeals!, weight: 1 }, read: read!, write: write! },
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
  beginnings,
  observe: (world) => [
    world.counts(),
    ...world.mappings
      .open()
      .map(({ mapping }) => (mapping.closed ? 'closed' : describeBytes(mapping.bytes.subarray(0, 16_384)))),
  ],
}
