import { O_RDONLY, O_RDWR, O_WRONLY } from '@linux-dma/native'
import fc from 'fast-check'
import { fdinfo } from '../../raw-dma-buf'
import { type Family, type Operation, operation } from '../family'
import { CLOSED_DESCRIPTOR } from '../handles'
import { describeBytes } from '../outcome'
import { mappingOperations } from './mapping-operations'
import { byte, HUGE_PAGE, index, length, MemoryWorld, maybe, offset, size } from './memfd-world'

/** Of what makes, names and ends descriptors. */
export const descriptorOperations: Record<string, Operation<MemoryWorld>> = {
  memfd: operation(
    fc.record({ byteLength: size }),
    ({ byteLength }, world) => world.add(world.kernel.memfd('fuzz', { byteLength }), byteLength),
    3,
  ),
  hugeMemfd: operation(
    fc.record({
      byteLength: fc.constantFrom(HUGE_PAGE, HUGE_PAGE, HUGE_PAGE, 5 * HUGE_PAGE, 4096),
      hugePageSize: fc.constantFrom(HUGE_PAGE, HUGE_PAGE, HUGE_PAGE, 4096, 3 * HUGE_PAGE),
    }),
    ({ byteLength, hugePageSize }, world) =>
      world.add(world.kernel.memfd('huge', { byteLength, hugePageSize }), byteLength),
    0.25,
  ),
  eventfd: operation(fc.record({ count: fc.nat(3) }), ({ count }, world) =>
    world.add(world.kernel.eventfd(count)),
  ),
  duplicate: operation(fc.record({ fd: index }), ({ fd }, world) => {
    const from = world.fd(fd)
    return world.add(world.kernel.duplicate(from), world.sizeOf(from))
  }),
  reopen: operation(
    fc.record({ fd: index, flags: fc.constantFrom(O_RDONLY, O_WRONLY, O_RDWR) }),
    ({ fd, flags }, world) => {
      const from = world.fd(fd)
      return world.add(world.kernel.open(`/proc/self/fd/${from}`, flags), world.sizeOf(from))
    },
  ),
  close: operation(fc.record({ fd: index }), ({ fd }, { kernel, descriptors }) =>
    kernel.close(descriptors.take(fd) ?? CLOSED_DESCRIPTOR),
  ),
  describe: operation(fc.record({ fd: index }), ({ fd }, world) => {
    const own = world.fd(fd)
    if (own === CLOSED_DESCRIPTOR) return 'closed'
    const { kernel } = world
    return [kernel.readLink(`/proc/self/fd/${own}`), fdinfo(kernel, own, 'pos'), fdinfo(kernel, own, 'flags')]
  }),
}

/** Of what a file is asked. */
export const fileOperations: Record<string, Operation<MemoryWorld>> = {
  addSeals: operation(
    fc.record({
      fd: index,
      seals: fc.oneof(fc.nat(0x3f), fc.constantFrom(0x40, 0x8000_0000, 0x04, 0x08, 0x10)),
    }),
    ({ fd, seals }, world) => world.kernel.addSeals(world.fd(fd), seals),
    2,
  ),
  getSeals: operation(fc.record({ fd: index }), ({ fd }, world) => world.kernel.getSeals(world.fd(fd))),
  read: operation(
    fc.record({ fd: index, byteLength: length, position: maybe(offset) }),
    ({ fd, byteLength, position }, world) => {
      const bytes = new Uint8Array(byteLength).fill(0xee)
      const count = world.kernel.read(world.fd(fd), bytes, position)
      return [count, describeBytes(bytes)]
    },
    2,
  ),
  write: operation(
    fc.record({ fd: index, byteLength: length, value: byte, position: maybe(offset) }),
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
  observe: (world) => [
    world.counts(),
    ...world.mappings
      .open()
      .map(({ mapping }) => (mapping.closed ? 'closed' : describeBytes(mapping.bytes.subarray(0, 16_384)))),
  ],
}
