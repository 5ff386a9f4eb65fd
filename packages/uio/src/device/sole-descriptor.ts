import { DmaError, type Kernel } from '@linux-dma/core'
import type { FileDescriptor } from '@linux-dma/native'
import type { UioDeviceInfo } from '../discovery/uio-device-info'
import { openNode } from './open-node'

/** How often it is looked whether another one, which opens the device at the same moment, has withdrawn. */
const LOOKS = 200

/**
 * Opens the node of a device that nobody else in this process has open: closing any other descriptor of it, by a second copy of this
 * package, another kernel object, another thread or the program's own open(), takes bus mastering from this one.
 *
 * Of several threads that open it at the same moment, each looks again once it is open: the one with the lowest descriptor waits
 * for the others to withdraw, and has it. One that does not withdraw was there first.
 * @param own descriptors that are shared by right: those of devices that have gone
 * @throws DMA_ALREADY_OPEN; DMA_DEVICE_GONE; what open(2) answers, with hints. Nothing stays open then.
 */
export function openAlone(
  kernel: Kernel,
  info: UioDeviceInfo,
  own: ReadonlySet<FileDescriptor>,
): FileDescriptor {
  const [before] = others(kernel, info, own)
  if (before !== undefined) throw alreadyOpen(info, before)
  const fd = openNode(kernel, info)
  try {
    outlast(kernel, info, new Set([...own, fd]), fd)
    return fd
  } catch (error) {
    kernel.close(fd)
    throw error
  }
}

function outlast(kernel: Kernel, info: UioDeviceInfo, own: ReadonlySet<FileDescriptor>, fd: number): void {
  for (let look = 1; ; look++) {
    const [other] = others(kernel, info, own)
    if (other === undefined) return
    if (other < fd || look === LOOKS) throw alreadyOpen(info, other)
  }
}

/** Descriptors of the device's node that are none of `own`, lowest first. */
function others(kernel: Kernel, { path }: UioDeviceInfo, own: ReadonlySet<FileDescriptor>): FileDescriptor[] {
  return descriptors(kernel).filter((fd) => !own.has(fd) && target(kernel, fd) === path)
}

/** None where there is no procfs to tell. */
function descriptors(kernel: Kernel): FileDescriptor[] {
  try {
    return kernel
      .list('/proc/self/fd')
      .map(Number)
      .sort((one, other) => one - other)
  } catch {
    return []
  }
}

/** One that was closed meanwhile, as that of the directory itself, is nobody's. */
function target(kernel: Kernel, fd: FileDescriptor): string | undefined {
  try {
    return kernel.readLink(`/proc/self/fd/${fd}`)
  } catch {
    return undefined
  }
}

function alreadyOpen({ node }: UioDeviceInfo, other: FileDescriptor): DmaError {
  return new DmaError('DMA_ALREADY_OPEN', `this process has ${node} open already, as descriptor ${other}`, {
    hint: 'when that is closed, bus mastering goes off for all: close it first, or open the device through the same kernel object on the same thread, where it is shared',
  })
}
