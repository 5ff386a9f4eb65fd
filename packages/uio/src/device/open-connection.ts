import { DmaError, type Kernel } from '@linux-dma/core'
import type { UioDeviceInfo } from '../discovery/uio-device-info'
import { UioConnection } from './connection'

/** What is open through each kernel object. */
const open = /* @__PURE__ */ new WeakMap<Kernel, Set<UioConnection>>()

/**
 * The one connection to a device: a new one, or the one that there is.
 * @throws DMA_ALREADY_OPEN where this process has the device open otherwise; DMA_DEVICE_GONE; what open(2) answers
 */
export function connect(kernel: Kernel, info: UioDeviceInfo): UioConnection {
  const connections = open.get(kernel) ?? new Set()
  open.set(kernel, connections)
  for (const connection of connections) {
    // One whose device has gone may be of the same number as that which is there now.
    if (connection.info.node === info.node && connection.present()) return connection.retain()
  }
  assertNotOpen(kernel, info, new Set([...connections].map(({ fd }) => fd)))
  const connection = new UioConnection(kernel, info, () => connections.delete(connection))
  connections.add(connection)
  return connection.retain()
}

/**
 * Closing any other descriptor of the device would take bus mastering from this one: by a second copy of this package, another
 * kernel object, another thread, or the program's own open().
 */
function assertNotOpen(kernel: Kernel, { node, path }: UioDeviceInfo, own: ReadonlySet<number>): void {
  const other = descriptors(kernel).find((fd) => !own.has(fd) && target(kernel, fd) === path)
  if (other === undefined) return
  throw new DmaError('DMA_ALREADY_OPEN', `this process has ${node} open already, as descriptor ${other}`, {
    hint: 'when that is closed, bus mastering goes off for all: close it first, or open the device through the same kernel object on the same thread, where it is shared',
  })
}

/** None where there is no procfs to tell. */
function descriptors(kernel: Kernel): number[] {
  try {
    return kernel.list('/proc/self/fd').map(Number)
  } catch {
    return []
  }
}

/** One that was closed meanwhile, as that of the directory itself, is nobody's. */
function target(kernel: Kernel, fd: number): string | undefined {
  try {
    return kernel.readLink(`/proc/self/fd/${fd}`)
  } catch {
    return undefined
  }
}
