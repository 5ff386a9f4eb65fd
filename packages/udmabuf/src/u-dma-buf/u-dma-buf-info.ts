import type { DmaAddress } from '@linux-dma/core'

/** What sysfs says of one u-dma-buf. */
export interface UDmaBufInfo {
  /** As the module's parameter or the device tree calls it: `udmabuf0`. */
  readonly name: string
  /** Its node: `/dev/udmabuf0`. */
  readonly node: string
  /** Its folder in sysfs. */
  readonly path: string
  /** Bytes, as asked for: the driver allocated whole pages. */
  readonly size: number
  /**
   * Where a device finds the first byte: `phys_addr`. It is the DMA address of the device that the driver allocated it for, which
   * is that of every device that no IOMMU translates for.
   */
  readonly dmaAddress: DmaAddress
  /** Whether that device and the CPU see the same bytes without syncs; undefined where the kernel does not tell. */
  readonly dmaCoherent: boolean | undefined
  /** What a mapping past the caches is: 1 uncached, 2 write-combining, 3 as coherent memory, 0 none; with 4 more, every mapping is. */
  readonly syncMode: number
  /** Who the last sync gave the buffer to. */
  readonly syncOwner: 'cpu' | 'device'
  /** Such as `5.5.0`. */
  readonly driverVersion: string
  /** 0: the driver has no ioctls. 1: it has. 2: it exports dma-bufs, too. */
  readonly ioctlVersion: number
}
