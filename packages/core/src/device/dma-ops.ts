import type { CoherentMemory } from '../allocation/coherent-memory'
import type { Bouncer } from '../bounce/bouncer'
import type { DmaMemory } from '../memory/memory'
import type { DmaAddress } from '../vocabulary/address'
import type { TransferDirection } from '../vocabulary/direction'
import type { DmaDevice } from './dma-device'
import type { IommuDomain } from './iommu-domain'

/**
 * What a device's DMA path does, after the kernel's `struct dma_map_ops`. The functions in `dma…()` words check
 * their arguments and then ask these; a backend sees only valid, page-aligned requests.
 */
export interface DmaOps {
  /** What an error calls this path: `vfio-type1`, `bounce`. */
  readonly name: string
  /** Whether CPU and device see the same bytes at all times in memory that is mapped in place: no syncs are needed. */
  readonly coherent: boolean
  /** Whether pages stay where they are while they are mapped: their physical addresses are then worth something. */
  readonly pins: boolean
  /**
   * Whether a DMA address is the physical address of what is there: nothing translates on the way. Tables are then mapped by
   * pinning their memory, without `mapPages`.
   */
  readonly physical?: boolean
  /** The highest address that gets from the device to memory, whatever its mask; left out: all do. */
  readonly busLimit?: bigint
  /** Present where an IOMMU lets this path choose at which address the device finds what. */
  readonly iommu?: IommuDomain
  /** Present where a mapping may be a copy of the bytes at another place. */
  readonly bouncer?: Bouncer

  /**
   * Pins whole pages of `memory` and makes them reachable for the device.
   * @param byteOffset multiple of the page size
   * @param byteLength multiple of the page size, 1 page or more
   * @param mask the highest address that the device can put on the bus
   * @returns where the device finds the first byte
   */
  mapPages(
    device: DmaDevice,
    memory: DmaMemory,
    byteOffset: number,
    byteLength: number,
    direction: TransferDirection,
    mask: bigint,
  ): DmaAddress

  /**
   * Undoes one `mapPages`, whole. When it returns, the device can no longer reach the pages. When it throws, it
   * may still: the memory is then quarantined.
   * @param memory what was mapped: another of the same pages may be at this address too
   */
  unmapPages(device: DmaDevice, address: DmaAddress, byteLength: number, memory: DmaMemory): void

  /**
   * Present where coherent memory may come from somewhere else than `mapPages`: a driver in the kernel that allocates it.
   * @param byteLength 1 or more
   * @param mask the highest address that the device can put on the bus
   * @returns undefined where it is to be allocated and mapped as all other memory
   */
  allocateCoherent?(device: DmaDevice, byteLength: number, mask: bigint): CoherentMemory | undefined

  /**
   * Present where memory for the device is taken from somewhere else than the machine's own: from a buffer that is all that this path
   * has. Slots of a bouncer, regions and allocations of every kind are made of it then.
   * @param byteLength 1 or more
   * @param mask the highest address that the device can put on the bus
   * @returns zeroed memory of whole pages, which `mapPages` takes; closed by who asked for it
   */
  allocateMemory?(device: DmaDevice, byteLength: number, mask: bigint): DmaMemory

  /**
   * Looks again whether everything that is mapped still is where the device was told. Present where that can change: a
   * physical address is good for as long as nobody moves the page. A device that has such a mapping is not ready for DMA until this
   * finds all in place.
   * @throws DMA_FRAME_MOVED for the first mapping that is not
   * @throws what reading frames answered, after all was looked at, for memory that nothing pins
   */
  verify?(): void

  /** Makes what the device wrote visible to the CPU. Needed where the path is not {@link coherent}. */
  syncForCpu?(device: DmaDevice, address: DmaAddress, byteLength: number, direction: TransferDirection): void
  /** Makes what the CPU wrote visible to the device. Needed where the path is not {@link coherent}. */
  syncForDevice?(
    device: DmaDevice,
    address: DmaAddress,
    byteLength: number,
    direction: TransferDirection,
  ): void

  /**
   * Present where the path is not {@link coherent} and the CPU can be told to go past its caches: coherent allocations are to be had
   * then. Called once for each, before anybody looks at it.
   */
  bypassCaches?(device: DmaDevice, address: DmaAddress, byteLength: number): void

  /** Whether a device limited to addresses up to `mask` can do DMA here at all. */
  supportsMask(mask: bigint): boolean
  /** The mask that reaches everything this path may hand out, of the form 2^n - 1. */
  requiredMask(): bigint
  /** Bytes in the largest single mapping of `device`. */
  maxMappingSize(device: DmaDevice): number
  /** Bytes up to which a mapping is cheap. */
  optMappingSize(device: DmaDevice): number
}
