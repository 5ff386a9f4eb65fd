import { type Kernel, type MemoryMapping, O_RDWR, type RegisterWindow } from '@linux-dma/native'
import { fillPattern } from '../../edu'
import type { Host } from '../../host'
import { groupPath, ioctls, mapArgument, text, unmap, words } from '../../raw-vfio'
import { Handles } from '../handles'

/** Pages of memory behind the addresses of the device. */
export const MEMORY_PAGES = 8
/** The device's own buffer, of which a byte less than all is used: QEMU's device takes no more at once. */
export const BUFFER_ADDRESS = 0x4_0000
export const BUFFER_BYTES = 4095

/** Milliseconds that a transfer takes, also of one byte. */
const TRANSFER = 100

export const register = {
  id: 0x00,
  liveness: 0x04,
  factorial: 0x08,
  status: 0x20,
  interruptStatus: 0x24,
  raise: 0x60,
  acknowledge: 0x64,
  source: 0x80,
  destination: 0x88,
  count: 0x90,
  command: 0x98,
} as const

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
  const parts = { kernel, device, group, container, registers, memfd, memory, eventfd }
  const world: EduWorld = { ...parts, mapped: new Handles(), known: false }
  await quieten(world)
  return world
}

/** The device keeps its state from program to program, and from whoever had it before: it has no reset. */
async function quieten(world: EduWorld): Promise<void> {
  const { registers } = world
  setMaster(world, true)
  registers.write32(register.status, 0)
  registers.write32(register.factorial, 0)
  await untilComputed(world)
  if (registers.read32(register.command) !== 0) await forgetCommand(world)
  registers.write32(register.acknowledge, 0xffff_ffff)
  registers.write32(register.liveness, 0)
  for (const at of [register.source, register.destination, register.count]) registers.write64(at, 0, 0)
}

/** Only a transfer changes what the command register shows of the last one. */
async function forgetCommand(world: EduWorld): Promise<void> {
  const { registers } = world
  mapForDevice(world, { page: 0, pages: 1, at: 0, flags: 1 })
  registers.write64(register.source, 0, 0)
  registers.write64(register.destination, BUFFER_ADDRESS, 0)
  registers.write64(register.count, 1, 0)
  registers.write32(register.command, 1)
  await untilIdle(world)
  unmapForDevice(world, 0, 1)
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

/** Waits until the device has ended what it does: a tenth of a second for a transfer, whose registers say when. */
export async function untilIdle(world: EduWorld): Promise<void> {
  const { kernel, registers } = world
  if ((registers.read32(register.command) & 1) !== 0) await kernel.clock.sleep(TRANSFER)
  while ((registers.read32(register.command) & 1) !== 0) await kernel.clock.sleep(2)
  await untilComputed(world)
}

/** The same for a factorial, which is soon done. */
export async function untilComputed({ kernel, registers }: EduWorld): Promise<void> {
  while ((registers.read32(register.status) & 1) !== 0) await kernel.clock.sleep(1)
}

export async function closeEduWorld(world: EduWorld): Promise<void> {
  const { kernel, registers, memory } = world
  await untilIdle(world)
  registers.close()
  for (const fd of [world.device, world.group, world.container, world.eventfd]) kernel.close(fd)
  memory.close()
  kernel.close(world.memfd)
}
