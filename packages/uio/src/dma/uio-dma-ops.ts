import {
  allocateOwnRegion,
  bounceOps,
  type CoherentMemory,
  type DmaDevice,
  DmaDirection,
  DmaError,
  type DmaOps,
  directOps,
  isDmaError,
} from '@linux-dma/core'
import type { UioConnection } from '../device/connection'
import { DriverMemoryOps, refuseStreaming } from './driver-memory-ops'
import { driverWays } from './driver-ways'
import { firstOf, reasonOf } from './refusals'

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
  const direct = directPath(connection)
  const allocateCoherent = (device: DmaDevice, byteLength: number, mask: bigint) =>
    allocate(connection, device, byteLength, mask, () => allocateDirectly(device, byteLength))
  const force = connection.kernel.forceBounce === true
  return bounceOps(Object.assign(direct, { allocateCoherent }), { force })
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

/** Registers, interrupts and memory of the driver are to be had all the same: that is for the program to say. */
function directPath({ kernel, info }: UioConnection): DmaOps {
  try {
    return directOps({ unsafePhysicalAddresses: true, kernel, devicePath: info.devicePath })
  } catch (error) {
    if (!isDmaError(error, 'DMA_TRANSLATED')) throw error
    throw new DmaError(
      error.code,
      `unsafePhysicalAddresses cannot be had for ${info.node}: ${reasonOf(error)}`,
      {
        hint: `leave unsafePhysicalAddresses out where registers and interrupts are all that is needed. For DMA: ${error.hint}`,
        cause: error,
      },
    )
  }
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
