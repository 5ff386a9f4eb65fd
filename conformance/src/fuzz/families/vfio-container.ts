import fc from 'fast-check'
import { ioctls } from '../../raw-vfio'
import { type Operation, type Outcome, operation } from '../family'
import { describeBytes } from '../outcome'
import { argszOf } from './vfio-files'
import {
  BITMAP_PAGES,
  descriptorOf,
  fileOf,
  MEMORY_PAGES,
  READ_ONLY_PAGES,
  request,
  structure,
  type VfioWorld,
} from './vfio-world'

type Operations = { readonly [name: string]: Operation<VfioWorld> }

const WORD = 0xffff_ffff_ffff_ffffn

/** Where device addresses are drawn from, by the page that each begins with. */
const places = {
  low: 0n,
  /** Where the window of interrupt messages begins, and where it ends. */
  window: 0xfee0_0000n,
  afterWindow: 0xfef0_0000n,
  /** The end of the IOMMU's addresses. */
  top: 1n << 39n,
  /** The end of all addresses. */
  end: 1n << 64n,
} as const

interface AddressWords {
  readonly from: keyof typeof places
  /** Pages from there. */
  readonly page: number
  /** Bytes that it is off a page. */
  readonly off: number
}

const off = fc.oneof(
  { weight: 30, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.constantFrom(1, 0x800, 0xfff) },
)

/** Close together, so that most requests meet what others left. */
const addresses: fc.Arbitrary<AddressWords> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ from: fc.constant('low' as const), page: fc.integer({ min: 0, max: 48 }), off }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      from: fc.constantFrom('window' as const, 'afterWindow' as const, 'top' as const, 'end' as const),
      page: fc.integer({ min: -4, max: 2 }),
      off,
    }),
  },
)

function addressOf({ from, page, off }: AddressWords): bigint {
  return (places[from] + BigInt(page) * 4096n + BigInt(off)) & WORD
}

interface SizeWords {
  readonly pages: number
  readonly off: number
}

const few = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 12 }))
const extents: fc.Arbitrary<SizeWords> = fc.record({
  pages: fc.oneof(
    { weight: 20, arbitrary: few },
    // 1 GiB, half of all addresses that the IOMMU has, and sizes at which sums wrap.
    { weight: 1, arbitrary: fc.constantFrom(2 ** 18, 2 ** 26, 2 ** 51, 2 ** 52 - 1) },
  ),
  off,
})

const sizeOf = ({ pages, off }: SizeWords) => (BigInt(pages) * 4096n + BigInt(off)) & WORD

interface MemoryWords {
  readonly of: 'memory' | 'readOnly' | 'registers' | 'nothing' | 'kernel' | 'end'
  readonly page: number
  readonly off: number
}

const memories: fc.Arbitrary<MemoryWords> = fc.record({
  of: fc.oneof(
    { weight: 20, arbitrary: fc.constant('memory' as const) },
    {
      weight: 3,
      arbitrary: fc.constantFrom(
        'readOnly' as const,
        'registers' as const,
        'nothing' as const,
        'kernel' as const,
        'end' as const,
      ),
    },
  ),
  page: fc.integer({ min: 0, max: MEMORY_PAGES - 1 }),
  off,
})

/**
 * The address of a piece of memory that is all of one kind, where it is short enough for that: what is mapped behind it is
 * chance.
 */
function pointerTo(world: VfioWorld, { of, page, off }: MemoryWords, pages: number): bigint {
  const { memory, readOnly, windows } = world
  const inside = (start: number | undefined, length: number) => {
    if (start === undefined || (pages > length && pages < 2 ** 18)) return 0x1000n
    const last = Math.max(0, length - pages)
    return BigInt(start) + BigInt(Math.min(page, last)) * 4096n + BigInt(off)
  }
  if (of === 'memory') return inside(memory.address, MEMORY_PAGES)
  if (of === 'readOnly') return inside(readOnly.address, READ_ONLY_PAGES)
  if (of === 'registers') {
    const window = windows.at(page)
    return inside(window?.address, Math.ceil((window?.byteLength ?? 0) / 4096))
  }
  if (of === 'kernel') return 0xffff_8000_0000_0000n + BigInt(off)
  return of === 'end' ? WORD - 4095n + BigInt(off) : 0x1000n + BigInt(off)
}

/** Of addresses that one bitmap of the world holds, else none of its memory is named. */
const BITMAP_HOLDS = BITMAP_PAGES * 4096 * 8

interface BitmapWords {
  readonly unit: number
  /** Bytes more or fewer than are needed. */
  readonly more: number
  readonly at: 'bitmap' | 'readOnly' | 'nothing'
}

const bitmaps: fc.Arbitrary<BitmapWords> = fc.record({
  unit: fc.oneof(
    { weight: 12, arbitrary: fc.constant(4096) },
    { weight: 1, arbitrary: fc.constantFrom(0, 1, 2048, 8192, 2 ** 21) },
  ),
  more: fc.oneof(
    { weight: 10, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.constantFrom(-8, -1, 1, 8, 2 ** 28, 2 ** 40) },
  ),
  at: fc.oneof(
    { weight: 12, arbitrary: fc.constant('bitmap' as const) },
    { weight: 1, arbitrary: fc.constantFrom('readOnly' as const, 'nothing' as const) },
  ),
})

/** struct vfio_bitmap at `at` */
function putBitmap(world: VfioWorld, view: DataView, at: number, pages: number, words: BitmapWords): void {
  world.bitmap.bytes.fill(0)
  const needed = Math.ceil(pages / 64) * 8
  const pointers = { bitmap: world.bitmap.address, readOnly: world.readOnly.address, nothing: 0x1000 }
  const pointer = pages <= BITMAP_HOLDS ? pointers[words.at] : pointers.nothing
  view.setBigUint64(at, BigInt(words.unit), true)
  view.setBigUint64(at + 8, BigInt(needed + words.more) & WORD, true)
  view.setBigUint64(at + 16, BigInt(pointer), true)
}

/** The bitmap says something only where it was filled. */
function withBitmap(world: VfioWorld, outcome: Outcome): Outcome {
  return [outcome, describeBytes(world.bitmap.bytes)]
}

const flagsOf = (usual: readonly number[], others: readonly number[]) =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  )

/** What drivers ask for: a few pages, at addresses close together. */
const usual = {
  address: fc.record({
    from: fc.constant('low' as const),
    page: fc.integer({ min: 0, max: 48 }),
    off: fc.constant(0),
  }),
  size: fc.record({ pages: fc.integer({ min: 1, max: 4 }), off: fc.constant(0) }),
}

const containers = fileOf('container', 'ready')

/** The address space of a container: what is mapped, where, and what was written to. */
export const vfioContainer: Operations = {
  version: operation(fc.record({ container: containers }), ({ container }, world: VfioWorld) =>
    world.kernel.ioctl(descriptorOf(world, container), ioctls.GET_API_VERSION, 0, 'GET_API_VERSION'),
  ),
  extension: operation(
    fc.record({
      container: containers,
      extension: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constantFrom(0x7fff_ffff, 0xffff)),
    }),
    ({ container, extension }, world: VfioWorld) =>
      world.kernel.ioctl(
        descriptorOf(world, container),
        ioctls.CHECK_EXTENSION,
        extension,
        'CHECK_EXTENSION',
      ),
  ),
  setIommu: operation(
    fc.record({
      container: fileOf('container', 'attached'),
      type: flagsOf([3, 3, 1], [0, 2, 6, 7, 8, 9, 10, 99]),
    }),
    ({ container, type }, world: VfioWorld) => {
      const fd = descriptorOf(world, container)
      const result = world.kernel.ioctl(fd, ioctls.SET_IOMMU, type, 'SET_IOMMU')
      world.ready.add(fd)
      return result
    },
    3,
  ),
  iommuInfo: operation(
    fc.record({ container: containers, argsz: fc.oneof(argszOf(24), fc.integer({ min: 0, max: 200 })) }),
    ({ container, argsz }, world: VfioWorld) =>
      request(world, descriptorOf(world, container), 'IOMMU_GET_INFO', structure(argsz).bytes),
  ),
  map: operation(
    fc.oneof(
      fc.record({
        container: containers,
        argsz: fc.constant(32),
        flags: fc.constantFrom(3, 3, 1),
        memory: fc.record({
          of: fc.constant('memory' as const),
          page: fc.integer({ min: 0, max: MEMORY_PAGES - 4 }),
          off: fc.constant(0),
        }),
        ...usual,
      }),
      fc.record({
        container: containers,
        argsz: argszOf(32),
        flags: flagsOf([3, 3, 3, 1, 2, 4], [0, 5, 7, 8, 0x8000_0003]),
        memory: memories,
        address: addresses,
        size: extents,
      }),
    ),
    ({ container, argsz, flags, memory, address, size }, world: VfioWorld) => {
      const { bytes, view } = structure(argsz, flags)
      view.setBigUint64(8, pointerTo(world, memory, size.pages), true)
      view.setBigUint64(16, addressOf(address), true)
      view.setBigUint64(24, sizeOf(size), true)
      return world.kernel.ioctl(descriptorOf(world, container), ioctls.IOMMU_MAP_DMA, bytes, 'IOMMU_MAP_DMA')
    },
    14,
  ),
  unmap: operation(
    fc.record({
      container: containers,
      argsz: flagsOf([24, 48, 48], [0, 23, 25, 47, 512]),
      flags: flagsOf([0, 0, 0, 0, 1, 4], [2, 3, 5, 6, 8]),
      address: addresses,
      size: extents,
      bitmap: bitmaps,
    }),
    ({ container, argsz, flags, address, size, bitmap }, world: VfioWorld) => {
      const { bytes, view } = structure(argsz, flags)
      view.setBigUint64(8, addressOf(address), true)
      view.setBigUint64(16, sizeOf(size), true)
      putBitmap(world, view, 24, size.pages, bitmap)
      const fd = descriptorOf(world, container)
      const result = world.kernel.ioctl(fd, ioctls.IOMMU_UNMAP_DMA, bytes, 'IOMMU_UNMAP_DMA')
      return withBitmap(world, { result, unmapped: view.getBigUint64(16, true) })
    },
    8,
  ),
  unmapAll: operation(
    fc.record({ container: containers, flags: fc.constantFrom(2, 2, 2, 6) }),
    ({ container, flags }, world: VfioWorld) => {
      const { bytes, view } = structure(24, flags, 0, 0, 0, 0)
      const fd = descriptorOf(world, container)
      const result = world.kernel.ioctl(fd, ioctls.IOMMU_UNMAP_DMA, bytes, 'IOMMU_UNMAP_DMA')
      return { result, unmapped: view.getBigUint64(16, true) }
    },
  ),
  dirtyPages: operation(
    fc.record({
      container: containers,
      argsz: flagsOf([48], [0, 7, 8, 47, 49]),
      flags: flagsOf([1, 2, 4, 4], [0, 3, 5, 7, 8]),
      address: addresses,
      size: extents,
      bitmap: bitmaps,
    }),
    ({ container, argsz, flags, address, size, bitmap }, world: VfioWorld) => {
      const { bytes, view } = structure(argsz, flags)
      view.setBigUint64(8, addressOf(address), true)
      view.setBigUint64(16, sizeOf(size), true)
      putBitmap(world, view, 24, size.pages, bitmap)
      const fd = descriptorOf(world, container)
      const result = world.kernel.ioctl(fd, DIRTY_PAGES, bytes, 'IOMMU_DIRTY_PAGES')
      return withBitmap(world, result)
    },
    4,
  ),
}

const DIRTY_PAGES = 0x3b75
