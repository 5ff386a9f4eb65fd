import { type Kernel, type MemoryMapping, O_RDWR, type RegisterWindow } from '@linux-dma/native'
import fc from 'fast-check'
import type { Host } from '../../host'
import { groupPath, ioctls, text, words } from '../../raw-vfio'
import type { Outcome } from '../family'
import { CLOSED_DESCRIPTOR, Handles } from '../handles'
import { describeBytes } from '../outcome'
import { bringToRest } from './edu-registers'

/** The lab's e1000 network card, in a group of its own: a second device, to be where another one is meant. */
const ETHERNET = '0000:00:09.0'

/** Pages of the memory that devices are given. */
export const MEMORY_PAGES = 64
/** Pages of what is mapped for reading only. */
export const READ_ONLY_PAGES = 4
/** Pages that bitmaps of dirty pages are written to: for 512 MiB of addresses. */
export const BITMAP_PAGES = 4

/** What a program of VFIO requests has. */
export interface VfioWorld {
  readonly kernel: Kernel
  /** PCI addresses: that of the edu device, and another's. */
  readonly devices: readonly string[]
  /** Paths of their groups. */
  readonly groups: readonly string[]
  readonly files: { readonly [kind in FileKind]: Handles<number> }
  /** Descriptors of the device that is not edu. */
  readonly others: Set<number>
  /** The container that a group was last put into, by descriptor: what is known of it is a guess after some closes. */
  readonly containers: Map<number, number>
  /** Containers that were given an IOMMU. */
  readonly ready: Set<number>
  readonly windows: Handles<RegisterWindow>
  readonly memfd: number
  readonly memory: MemoryMapping
  readonly readOnly: MemoryMapping
  readonly bitmap: MemoryMapping
}

/** The kinds of files that a program opens. */
export const fileKinds = ['container', 'group', 'device', 'eventfd'] as const
export type FileKind = (typeof fileKinds)[number]

/** One of the program's files, open or closed; or one of those that are open and in a state, where there are any. */
export interface FileWords {
  readonly of: FileKind
  readonly index: number
  readonly state?: FileState
}

const states = {
  open: () => true,
  /** A group without a container. */
  free: (fd: number, { containers }: VfioWorld) => !containers.has(fd),
  /** A container that has a group, and no IOMMU yet. */
  attached: (fd: number, { containers, ready }: VfioWorld) =>
    !ready.has(fd) && [...containers.values()].includes(fd),
  /** A container that has its IOMMU, or a group in such a one. */
  ready: (fd: number, { containers, ready }: VfioWorld) => ready.has(containers.get(fd) ?? fd),
} as const
export type FileState = keyof typeof states

const indexes = fc.integer({ min: 0, max: 3 })

/** Mostly an open file of the kind that is meant, and in the state that is needed. */
export function fileOf(kind: FileKind, state: FileState = 'open'): fc.Arbitrary<FileWords> {
  const of = fc.constant(kind)
  return fc.oneof(
    { weight: 16, arbitrary: fc.record({ of, index: indexes, state: fc.constant(state) }) },
    { weight: 3, arbitrary: fc.record({ of, index: indexes }) },
    { weight: 1, arbitrary: anyFile },
  )
}

export const anyFile: fc.Arbitrary<FileWords> = fc.record({
  of: fc.constantFrom(...fileKinds),
  index: indexes,
})

/** The descriptor of a file. */
export function descriptorOf(world: VfioWorld, { of, index, state }: FileWords): number {
  const files = world.files[of]
  const fits = states[state ?? 'open']
  const fd = state === undefined ? files.at(index) : files.fitting(index, (own) => fits(own, world))
  return fd ?? CLOSED_DESCRIPTOR
}

/** Whether a file is a device whose registers are not to be touched: of the other one's, the fake has but what a driver needs. */
export function isOther(world: VfioWorld, file: FileWords): boolean {
  return file.of === 'device' && world.others.has(descriptorOf(world, file))
}

/** More than any request reads or writes, so that no wrong length reaches the memory of the process behind it. */
const ARGUMENT_BYTES = 1024
/** What is in an argument where nothing was put. */
const FILLER = 0xa5

/** A structure of 32-bit words, in a buffer that has room for everything. */
export function structure(...values: readonly number[]): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(ARGUMENT_BYTES).fill(FILLER)
  const view = new DataView(bytes.buffer)
  values.forEach((value, index) => {
    view.setUint32(index * 4, value, true)
  })
  return { bytes, view }
}

/** One request, and all that the kernel wrote into its argument. */
export function request(
  { kernel }: VfioWorld,
  fd: number,
  name: keyof typeof ioctls,
  argument: Uint8Array,
): Outcome {
  const result = kernel.ioctl(fd, ioctls[name], argument, name)
  return { result, wrote: describeBytes(argument) }
}

/** Container, group and device of edu, open and at rest, and memory to map. */
export async function vfioWorld({ kernel, edu }: Host): Promise<VfioWorld> {
  const devices = [edu, ETHERNET]
  const files = {
    container: new Handles<number>(),
    group: new Handles<number>(),
    device: new Handles<number>(),
    eventfd: new Handles<number>(),
  }
  const groups = devices.map((address) => groupPath(kernel, address))
  const container = kernel.open('/dev/vfio/vfio', O_RDWR)
  const group = kernel.open(groups[0]!, O_RDWR)
  files.container.add(container)
  files.group.add(group)
  kernel.ioctl(group, ioctls.GROUP_SET_CONTAINER, words(container))
  kernel.ioctl(container, ioctls.SET_IOMMU, 3)
  const device = kernel.ioctl(group, ioctls.GROUP_GET_DEVICE_FD, text(edu))
  files.device.add(device)
  files.eventfd.add(kernel.eventfd())
  // The bus is not mastered: VFIO sees to that when it opens a device.
  const registers = kernel.mapRegisters(device, { byteLength: kernel.pageSize })
  await bringToRest({ kernel, registers })
  registers.close()
  const memfd = kernel.memfd('fuzz', { byteLength: MEMORY_PAGES * kernel.pageSize })
  const map = (pages: number, access: 'read' | 'read-write') =>
    kernel.mmap(memfd, { byteLength: pages * kernel.pageSize, access })
  return {
    kernel,
    devices,
    groups,
    files,
    others: new Set(),
    containers: new Map([[group, container]]),
    ready: new Set([container]),
    windows: new Handles(),
    memfd,
    memory: map(MEMORY_PAGES, 'read-write'),
    readOnly: map(READ_ONLY_PAGES, 'read'),
    bitmap: map(BITMAP_PAGES, 'read-write'),
  }
}

/** Closes all that a program has left. */
export function closeVfioWorld({ kernel, files, windows, memfd, ...mappings }: VfioWorld): void {
  for (const window of windows.open()) window.close()
  for (const kind of ['device', 'group', 'container', 'eventfd'] as const) {
    for (const fd of files[kind].open()) kernel.close(fd)
  }
  for (const mapping of [mappings.memory, mappings.readOnly, mappings.bitmap]) mapping.close()
  kernel.close(memfd)
}
