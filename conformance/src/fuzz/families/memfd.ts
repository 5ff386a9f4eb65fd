import { O_RDONLY, O_RDWR, O_WRONLY } from '@linux-dma/native'
import fc from 'fast-check'
import { fdinfo } from '../../raw-dma-buf'
import { type Family, type Operation, operation } from '../family'
import { CLOSED_DESCRIPTOR } from '../handles'
import { describeBytes } from '../outcome'
import { mappingOperations } from './mapping-operations'
import { byte, descriptorOf, HUGE_PAGE, index, length, MemoryWorld, maybe, offset, size } from './memfd-world'

/** Of what makes, names and ends descriptors. */
export const descriptorOperations: Record<string, Operation<MemoryWorld>> = {
  memfd: operation(
    fc.record({ byteLength: size }),
    ({ byteLength }, world) =>
      world.add(world.kernel.memfd('fuzz', { byteLength }), { kind: 'memfd', byteLength }),
    3,
  ),
  hugeMemfd: operation(
    fc.record({
      byteLength: fc.constantFrom(HUGE_PAGE, HUGE_PAGE, HUGE_PAGE, 5 * HUGE_PAGE, 4096),
      hugePageSize: fc.constantFrom(HUGE_PAGE, HUGE_PAGE, HUGE_PAGE, 4096, 3 * HUGE_PAGE),
    }),
    ({ byteLength, hugePageSize }, world) =>
      world.add(world.kernel.memfd('huge', { byteLength, hugePageSize }), { kind: 'memfd', byteLength }),
    0.25,
  ),
  eventfd: operation(fc.record({ count: fc.nat(3) }), ({ count }, world) =>
    world.add(world.kernel.eventfd(count), { kind: 'eventfd' }),
  ),
  duplicate: operation(fc.record({ fd: index }), ({ fd }, world) => {
    const from = world.fd(fd)
    return world.add(world.kernel.duplicate(from), world.factsOf(from))
  }),
  reopen: operation(
    fc.record({ fd: descriptorOf('memfd'), flags: fc.constantFrom(O_RDONLY, O_WRONLY, O_RDWR) }),
    ({ fd, flags }, world) => {
      const from = world.fd(fd)
      return world.add(world.kernel.open(`/proc/self/fd/${from}`, flags), world.factsOf(from))
    },
  ),
  close: operation(fc.record({ fd: index }), ({ fd }, { kernel, descriptors }) =>
    kernel.close(descriptors.take(fd) ?? CLOSED_DESCRIPTOR),
  ),
  describe: operation(fc.record({ fd: index }), ({ fd }, world) => {
    const own = world.fd(fd)
    if (own === CLOSED_DESCRIPTOR) return 'none'
    const { kernel } = world
    return [kernel.readLink(`/proc/self/fd/${own}`), fdinfo(kernel, own, 'pos'), fdinfo(kernel, own, 'flags')]
  }),
}

/** Of what a file is asked. */
export const fileOperations: Record<string, Operation<MemoryWorld>> = {
  addSeals: operation(
    fc.record({
      fd: descriptorOf('memfd'),
      seals: fc.oneof(
        fc.nat(0x3f),
        fc.constantFrom(0x40, 0x8000_0000, 0x04, 0x08, 0x10),
        fc.constantFrom(2, 6),
      ),
    }),
    ({ fd, seals }, world) => {
      const own = world.fd(fd)
      const result = world.kernel.addSeals(own, seals)
      const facts = world.factsOf(own)
      if (facts) facts.seals = (facts.seals ?? 0) | seals
      return result
    },
    2,
  ),
  getSeals: operation(fc.record({ fd: descriptorOf('memfd') }), ({ fd }, world) =>
    world.kernel.getSeals(world.fd(fd)),
  ),
  read: operation(
    fc.record({ fd: descriptorOf('memfd'), byteLength: length, position: maybe(offset) }),
    ({ fd, byteLength, position }, world) => {
      const bytes = new Uint8Array(byteLength).fill(0xee)
      const count = world.kernel.read(world.fd(fd), bytes, position)
      return [count, describeBytes(bytes)]
    },
    2,
  ),
  write: operation(
    fc.record({ fd: descriptorOf('memfd'), byteLength: length, value: byte, position: maybe(offset) }),
    ({ fd, byteLength, value, position }, world) => {
      const own = world.fd(fd)
      const size = world.sizeOf(own)
      // A fake memfd does not grow: nothing is written beyond its end.
      const room = size === undefined ? 8 : size - (position ?? world.positionOf(own))
      if (room <= 0) return 'no room'
      const bytes = new Uint8Array(Math.min(byteLength, room)).fill(value)
      return world.kernel.write(own, bytes, position)
    },
    3,
  ),
}

/** Files in memory: seals, positions, mappings, pins, and who sees what of the bytes. */
export const memfd: Family<MemoryWorld> = {
  name: 'memfd',
  machineKind: 'iommu',
  setUp: ({ kernel }) => new MemoryWorld(kernel),
  tearDown: (world) => world.close(),
  operations: { ...descriptorOperations, ...fileOperations, ...mappingOperations },
  beginnings: [
    [
      ['memfd', { byteLength: 16_384 }],
      ['mmap', { fd: 0, pages: { first: 0, count: 4, odd: 0 }, writable: true }],
      ['memfd', { byteLength: 4096 }],
    ],
  ],
  observe: (world) => [
    world.counts(),
    ...world.mappings
      .open()
      .map(({ mapping }) => (mapping.closed ? 'closed' : describeBytes(mapping.bytes.subarray(0, 16_384)))),
  ],
}
