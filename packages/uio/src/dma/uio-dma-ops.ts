import {
  allocateOwnRegion,
  bounceOps,
  type CoherentMemory,
  type DmaDevice,
  DmaDirection,
  type DmaOps,
  directOps,
} from '@linux-dma/core'
import type { UioConnection } from '../device/connection'
import { DriverMemoryOps, refuseStreaming } from './driver-memory-ops'
import { driverWays } from './driver-ways'
import { firstOf } from './refusals'

/**
 * The DMA path of a UIO device. Coherent memory is that of its driver in the kernel, where it offers some; all other memory is
 * given by physical address, where that was asked for and can work, and refused else.
 * @throws DMA_TRANSLATED where physical addresses were asked for, and an IOMMU translates what the device accesses
 */
export function uioDmaOps(
  connection: UioConnection,
  { unsafePhysicalAddresses }: { unsafePhysicalAddresses: boolean },
): DmaOps {
  if (!unsafePhysicalAddresses) {
    return new DriverMemoryOps(connection, (device, byteLength, mask) =>
      allocate(connection, device, byteLength, mask, () => refuseStreaming(connection)),
    )
  }
  const { kernel, info } = connection
  const direct = directOps({ unsafePhysicalAddresses: true, kernel, devicePath: info.devicePath })
  const allocateCoherent = (device: DmaDevice, byteLength: number, mask: bigint) =>
    allocate(connection, device, byteLength, mask, () => allocateDirectly(device, byteLength))
  return bounceOps(Object.assign(direct, { allocateCoherent }))
}

function allocate(
  connection: UioConnection,
  device: DmaDevice,
  byteLength: number,
  mask: bigint,
  directly: () => CoherentMemory,
): CoherentMemory {
  // What a device that is gone refuses looks like what its kernel does not offer.
  connection.assertPresent()
  const ways = driverWays(connection).map((way) => ({
    name: way.name,
    allocate: (): CoherentMemory => way.allocate(device, byteLength, mask),
  }))
  return firstOf(`${byteLength} bytes of coherent memory for ${device.name}`, [
    ...ways,
    { name: 'direct, by physical address', allocate: directly },
  ])
}

function allocateDirectly(device: DmaDevice, byteLength: number): CoherentMemory {
  const region = allocateOwnRegion(device, byteLength, DmaDirection.Bidirectional, {
    purpose: 'coherent',
    name: 'linux-dma-coherent',
  })
  return {
    get bytes() {
      return region.bytes
    },
    get dmaAddress() {
      return region.dmaAddress
    },
    memory: region.memory,
    origin: 'direct',
    get closed() {
      return region.closed
    },
    close: () => region.close(),
  }
}
