import { POLLIN, POLLOUT } from '@linux-dma/native'
import fc from 'fast-check'
import { type Family, type Operation, operation, type Step } from '../family'
import { CLOSED_DESCRIPTOR } from '../handles'
import { describeBytes } from '../outcome'
import { byte, type DescriptorWords, descriptorOf, index, MemoryWorld } from './memfd-world'
import { pollNow } from './udmabuf-world'

const types = ['stream', 'seqpacket'] as const
/** Abstract names, which leave no files behind; each has a type that most mean by it. */
const address = fc.oneof(
  { weight: 4, arbitrary: fc.nat(2).map((name) => ({ name, type: types[name % 2]! })) },
  { weight: 1, arbitrary: fc.record({ name: fc.nat(2), type: fc.constantFrom(...types) }) },
)
const socket = descriptorOf('connection')
const pathOf = (name: number) => `\0linux-dma fuzz ${name}`
/** Bytes in a message: short, or so many that a socket is soon full. */
const size = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 300 }) },
  { weight: 2, arbitrary: fc.constantFrom(4096, 20_000, 32_768) },
  { weight: 1, arbitrary: fc.constantFrom(0, 212_960, 300_000) },
)

/** How sockets come to be, and what else there is to send. */
const connections: Record<string, Operation<MemoryWorld>> = {
  socketPair: operation(
    fc.constant({}),
    (_words, world) => world.kernel.socketPair().map((fd) => world.add(fd, { kind: 'connection' })),
    2,
  ),
  listen: operation(
    fc.tuple(address, fc.nat(3)).map(([own, backlog]) => ({ ...own, backlog })),
    ({ name, type, backlog }, world) =>
      world.add(world.kernel.listen(pathOf(name), { type, backlog }), { kind: 'listener' }),
  ),
  connect: operation(
    address,
    ({ name, type }, world) =>
      world.add(world.kernel.connect(pathOf(name), { type }), { kind: 'connection' }),
    4,
  ),
  accept: operation(
    fc.record({ fd: descriptorOf('listener') }),
    ({ fd }, world) => world.add(world.kernel.accept(world.fd(fd)), { kind: 'connection' }),
    3,
  ),
  memfd: operation(fc.record({ byteLength: fc.constantFrom(1, 4096) }), ({ byteLength }, world) =>
    world.add(world.kernel.memfd('sent', { byteLength }), { kind: 'memfd', byteLength }),
  ),
  duplicate: operation(fc.record({ fd: index }), ({ fd }, world) => {
    const from = world.fd(fd)
    return world.add(world.kernel.duplicate(from), world.factsOf(from))
  }),
  close: operation(fc.record({ fd: index }), ({ fd }, { kernel, descriptors }) =>
    kernel.close(descriptors.take(fd) ?? CLOSED_DESCRIPTOR),
  ),
}

/**
 * Sockets are not sent: two that wait in each other are a ring, which Linux finds and ends when it comes round to it, and
 * the fake never.
 */
function isSocket({ kernel }: MemoryWorld, fd: number): boolean {
  return fd !== CLOSED_DESCRIPTOR && kernel.readLink(`/proc/self/fd/${fd}`).startsWith('socket:')
}

/** What goes over them. */
const messages: Record<string, Operation<MemoryWorld>> = {
  send: operation(
    fc.record({
      fd: socket,
      byteLength: size,
      value: byte,
      descriptors: fc.oneof(
        { weight: 4, arbitrary: fc.constant<DescriptorWords[]>([]) },
        { weight: 2, arbitrary: fc.array(descriptorOf('memfd'), { minLength: 1, maxLength: 4 }) },
      ),
    }),
    ({ fd, byteLength, value, descriptors }, world) =>
      world.kernel.sendMessage(
        world.fd(fd),
        new Uint8Array(byteLength).fill(value),
        descriptors.map((one) => world.fd(one)).filter((one) => !isSocket(world, one)),
      ),
    8,
  ),
  receive: operation(
    fc.record({ fd: socket, byteLength: size }),
    ({ fd, byteLength }, world) => {
      const bytes = new Uint8Array(byteLength).fill(0xee)
      const got = world.kernel.receiveMessage(world.fd(fd), bytes)
      // What has come is known by its link, but for the numbers that sockets have in theirs.
      const links = got.descriptors.map((one) =>
        world.kernel.readLink(`/proc/self/fd/${one}`).replace(/\[\d+\]/, '[…]'),
      )
      for (const one of got.descriptors) world.add(one, { kind: 'memfd' })
      return [got.byteLength, links, describeBytes(bytes)]
    },
    6,
  ),
  write: operation(
    fc.record({ fd: socket, byteLength: size, value: byte }),
    ({ fd, byteLength, value }, world) => {
      // A memfd, sent or received, is another family's, and would grow.
      const own = world.fd(fd)
      if (own !== CLOSED_DESCRIPTOR && world.kernel.readLink(`/proc/self/fd/${own}`).startsWith('/memfd'))
        return 'no socket'
      return world.kernel.write(own, new Uint8Array(byteLength).fill(value))
    },
  ),
  read: operation(fc.record({ fd: socket, byteLength: size }), ({ fd, byteLength }, world) => {
    const bytes = new Uint8Array(byteLength).fill(0xee)
    return [world.kernel.read(world.fd(fd), bytes), describeBytes(bytes)]
  }),
  poll: operation(
    fc.record({ fd: socket, events: fc.constantFrom(POLLIN, POLLOUT, POLLIN | POLLOUT) }),
    ({ fd, events }, world) => pollNow(world.kernel, world.fd(fd), events),
    0.5,
  ),
}

const beginnings: Step[][] = [
  ...types.map((type, name): Step[] => [
    ['listen', { name, type, backlog: 3 }],
    ['connect', { name, type }],
    ['connect', { name, type }],
    ['accept', { fd: 0 }],
    ['memfd', { byteLength: 4096 }],
  ]),
  [
    ['socketPair', {}],
    ['memfd', { byteLength: 4096 }],
    ['send', { fd: 0, byteLength: 300, value: 1, descriptors: [2] }],
  ],
]

/** Messages and descriptors over sockets. */
export const sockets: Family<MemoryWorld> = {
  name: 'sockets',
  machineKind: 'iommu',
  setUp: ({ kernel }) => new MemoryWorld(kernel),
  tearDown: (world) => world.close(),
  operations: { ...connections, ...messages },
  beginnings,
}
