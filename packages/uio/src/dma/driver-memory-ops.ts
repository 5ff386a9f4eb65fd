import { type DmaAddress, DmaError, type DmaOps, directOps, dmaBitMask } from '@linux-dma/core'
import type { UioConnection } from '../device/connection'

/** The kernel can always find memory below 16 MiB for a device that reaches no further. */
const LOWEST_MASK = dmaBitMask(24)

/** A DMA path that has the memory of a device's own driver, and no other. */
export class DriverMemoryOps implements DmaOps {
  readonly name = 'uio'
  readonly coherent = true
  readonly pins = false
  readonly allocateCoherent: NonNullable<DmaOps['allocateCoherent']>
  readonly #connection: UioConnection

  constructor(connection: UioConnection, allocateCoherent: NonNullable<DmaOps['allocateCoherent']>) {
    this.#connection = connection
    this.allocateCoherent = allocateCoherent
  }

  mapPages(): DmaAddress {
    return refuseStreaming(this.#connection)
  }

  /** Nothing ever is mapped. */
  unmapPages(): void {}

  supportsMask(mask: bigint): boolean {
    return mask >= LOWEST_MASK
  }

  /** A driver may have set any mask of its own. */
  requiredMask(): bigint {
    return dmaBitMask(64)
  }

  maxMappingSize(): number {
    return Number.MAX_SAFE_INTEGER
  }

  optMappingSize(): number {
    return Number.MAX_SAFE_INTEGER
  }
}

/** @throws DMA_TRANSLATED where a physical address would mean nothing to the device; else DMA_UNSAFE_PHYSICAL */
export function refuseStreaming({ kernel, info }: UioConnection): never {
  directOps({ unsafePhysicalAddresses: true, kernel, devicePath: info.devicePath })
  throw new DmaError(
    'DMA_UNSAFE_PHYSICAL',
    `without an IOMMU that translates, ${info.node} can only be given memory by physical address`,
    {
      hint: `that has to be asked for: add unsafePhysicalAddresses: true to the options of openUio(). A wrong address, or a transfer that goes on after the program has ended, then overwrites any memory, the kernel’s included: behind an IOMMU open the device with @linux-dma/vfio`,
    },
  )
}
