import { type Kernel, type MemoryMapping, O_RDWR, type RegisterWindow } from '@linux-dma/native'
import { fillPattern } from '../../edu'
import type { Host } from '../../host'
import { groupPath, ioctls, mapArgument, text, unmap, words } from '../../raw-vfio'
import { Handles } from '../handles'
import { bringToRest, untilIdle } from './edu-registers'

/** Pages of memory behind the addresses of the device. */
export const MEMORY_PAGES = 8

/** The edu device under VFIO, with memory of which it reaches a part. */
export interface EduWorld {
  readonly kernel: Kernel
  readonly device: number
  readonly group: number
  readonly container: number
  readonly registers: RegisterWindow
  readonly memfd: number
  readonly memory: MemoryMapping
  readonly eventfd: number
  /** What was mapped for the device, by the first page. */
  readonly mapped: Handles<{ readonly page: number; readonly pages: number }>
  /** Whether the device's buffer holds what this program has put there. */
  known: boolean
}

/** What is in the memory when a program begins: made once, since an emulated processor takes its time for it. */
const pattern = new Uint8Array(MEMORY_PAGES * 4096)
fillPattern(pattern, 1)

/** Device, memory and an eventfd. Bus mastering is on; nothing is mapped, and no interrupt is enabled. */
export async function eduWorld({ kernel, edu }: Host): Promise<EduWorld> {
  const container = kernel.open('/dev/vfio/vfio', O_RDWR)
  const group = kernel.open(groupPath(kernel, edu), O_RDWR)
  kernel.ioctl(group, ioctls.GROUP_SET_CONTAINER, words(container))
  kernel.ioctl(container, ioctls.SET_IOMMU, 3)
  const device = kernel.ioctl(group, ioctls.GROUP_GET_DEVICE_FD, text(edu))
  const registers = kernel.mapRegisters(device, { byteLength: 0x10_0000 })
  const memfd = kernel.memfd('fuzz', { byteLength: MEMORY_PAGES * kernel.pageSize })
  const memory = kernel.mmap(memfd, { byteLength: MEMORY_PAGES * kernel.pageSize })
  memory.bytes.set(pattern)
  const eventfd = kernel.eventfd()
  const opened = { kernel, device, group, container, registers, memfd, memory, eventfd }
  const world: EduWorld = { ...opened, mapped: new Handles(), known: false }
  setMaster(world, false)
  await bringToRest(world)
  setMaster(world, true)
  return world
}

/** Bit 2 of the command register. */
export function setMaster({ kernel, device }: Pick<EduWorld, 'kernel' | 'device'>, on: boolean): void {
  kernel.write(device, Uint8Array.of(on ? 0x06 : 0x02, 0x01), 7 * 2 ** 40 + 0x04)
}

/** Maps pages of the memory for the device, at the addresses of the same number, `at` pages further on. */
export function mapForDevice(
  { kernel, container, memory }: EduWorld,
  { page, pages, at, flags }: { page: number; pages: number; at: number; flags: number },
): number {
  const argument = mapArgument(
    memory.address + page * kernel.pageSize,
    BigInt(at * kernel.pageSize),
    BigInt(pages * kernel.pageSize),
    { flags },
  )
  return kernel.ioctl(container, ioctls.IOMMU_MAP_DMA, argument, 'IOMMU_MAP_DMA')
}

export function unmapForDevice({ kernel, container }: EduWorld, at: number, pages: number): bigint | string {
  return unmap(kernel, container, BigInt(at * kernel.pageSize), BigInt(pages * kernel.pageSize))
}

/** Closes all that a program has left, when the device has ended what it does. */
export async function closeEduWorld(world: EduWorld): Promise<void> {
  const { kernel, registers, memory } = world
  await untilIdle(world)
  registers.close()
  for (const fd of [world.device, world.group, world.container, world.eventfd]) kernel.close(fd)
  memory.close()
  kernel.close(world.memfd)
}
