import type { Kernel } from '@linux-dma/core'
import type { UioDeviceInfo } from '../discovery/uio-device-info'
import { UioConnection } from './connection'
import { SoleDescriptor } from './sole-descriptor'

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
  const sole = new SoleDescriptor(kernel, info, new Set([...connections].map((connection) => connection.fd)))
  const connection = new UioConnection(kernel, sole, info, () => connections.delete(connection))
  connections.add(connection)
  return connection.retain()
}
