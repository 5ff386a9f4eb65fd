import { O_RDWR } from '@linux-dma/native'
import fc from 'fast-check'
import { type Operation, operation } from '../family'
import { type DescriptorWords, descriptorOf } from './memfd-world'
import { type DmaBufWorld, structure } from './udmabuf-world'

const PAGE = 4096n
const UDMABUF_CREATE = 0x4018_7542
const UDMABUF_CREATE_LIST = 0x4008_7543
const DMA_HEAP_IOCTL_ALLOC = 0xc018_4800

/** Mostly whole pages that a file may have; else what is none, or wraps around. */
const pages = (least: number) =>
  fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: least, max: 4 }).map((count) => BigInt(count) * PAGE) },
    { weight: 1, arbitrary: fc.constantFrom(0n, 1n, 4095n, 0x20_0000n, 1n << 40n, -PAGE, -1n, 1n << 63n) },
  )
const item: fc.Arbitrary<Item> = fc.record({
  fd: descriptorOf('sealed'),
  offset: pages(0),
  size: pages(1),
  within: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
})
const flags = fc.oneof(
  { weight: 6, arbitrary: fc.nat(1) },
  { weight: 1, arbitrary: fc.constantFrom(2, 0xffff_fffe) },
)

interface Item {
  readonly fd: DescriptorWords
  readonly offset: bigint
  readonly size: bigint
  /** Whether it is made to lie within the file. */
  readonly within?: boolean
}

/** How dma-bufs come to be. */
export const creations: Record<string, Operation<DmaBufWorld>> = {
  create: operation(
    fc.record({ item, flags }),
    ({ item, flags }, world) => {
      const { view, bytes } = structure(24)
      const byteLength = putItem(world, view, 0, item)
      view.setUint32(4, flags, true)
      const fd = world.kernel.ioctl(world.udmabuf, UDMABUF_CREATE, bytes, 'UDMABUF_CREATE')
      return world.add(fd, { kind: 'dma-buf', byteLength })
    },
    4,
  ),
  createList: operation(
    fc.record({ items: fc.array(item, { maxLength: 4 }), flags }),
    ({ items, flags }, world) => {
      const { view, bytes } = structure(8 + 24 * items.length)
      view.setUint32(0, flags, true)
      view.setUint32(4, items.length, true)
      const sizes = items.map((one, at) => putItem(world, view, 8 + 24 * at, one))
      const byteLength = sizes.reduce((sum, size) => sum + size, 0)
      const fd = world.kernel.ioctl(world.udmabuf, UDMABUF_CREATE_LIST, bytes, 'UDMABUF_CREATE_LIST')
      return world.add(fd, { kind: 'dma-buf', byteLength })
    },
    3,
  ),
  allocate: operation(
    fc.record({
      // Not more than there is: Linux gives what it has until it has nothing left for itself.
      size: fc.constantFrom(0n, 1n, 4096n, 4097n, 12_288n, 65_536n),
      given: fc.constantFrom(0, 0, 0, 0, 3),
      flags: fc.constantFrom(O_RDWR, O_RDWR, O_RDWR, 0, 1, 0o2000002, 0o4000, 0x8000_0000),
      heapFlags: fc.constantFrom(0n, 0n, 0n, 1n),
    }),
    ({ size, given, flags, heapFlags }, world) => {
      const { view, bytes } = structure(24)
      view.setBigUint64(0, size, true)
      view.setUint32(8, given, true)
      view.setUint32(12, flags, true)
      view.setBigUint64(16, heapFlags, true)
      world.kernel.ioctl(world.heap, DMA_HEAP_IOCTL_ALLOC, bytes, 'DMA_HEAP_IOCTL_ALLOC')
      return world.add(view.getInt32(8, true), { kind: 'dma-buf', byteLength: Number(size) })
    },
  ),
  setLimit: operation(
    fc.oneof(
      fc.record({ name: fc.constant('list_limit' as const), value: fc.constantFrom(1024, 2, 1, 0) }),
      fc.record({ name: fc.constant('size_limit_mb' as const), value: fc.constantFrom(64, 64, 1, 0) }),
    ),
    ({ name, value }, world) => world.setLimit(name, value),
    0.125,
  ),
}

/** Descriptor, four bytes of something else, offset and size. @returns the size */
function putItem(world: DmaBufWorld, view: DataView, start: number, item: Item): number {
  const fd = world.fd(item.fd)
  const { offset, size } = item.within ? within(item, world.sizeOf(fd)) : item
  view.setInt32(start, fd, true)
  view.setBigUint64(start + 8, BigInt.asUintN(64, offset), true)
  view.setBigUint64(start + 16, BigInt.asUintN(64, size), true)
  return Number(BigInt.asUintN(64, size))
}

/** Whole pages of a file of so many bytes. */
function within({ offset, size }: Item, byteLength = 4096): { offset: bigint; size: bigint } {
  const end = BigInt(byteLength) / PAGE || 1n
  const first = (BigInt.asUintN(64, offset) / PAGE) % end
  const most = end - first
  const count = BigInt.asUintN(64, size) / PAGE || 1n
  return { offset: first * PAGE, size: (count < most ? count : most) * PAGE }
}
