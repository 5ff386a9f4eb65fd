import { type DmaDevice, DmaError, isDmaError } from '@linux-dma/core'
import type { MemoryMapping } from '@linux-dma/native'
import type { UioConnection } from '../device/connection'
import { DriverMemory } from './driver-memory'
import { type DriverRegion, isInReach, outOfReach } from './driver-region'
import type { DriverWay } from './driver-way'
import { readMapAddress, readMapLength } from './map-attributes'
import { NOT_OFFERED } from './refusals'
import { RegionPool } from './region-pool'

/** The page of a device's descriptor that stands for a new region. */
const NEW_REGION_PAGE = 0xf_ffff
/** Regions are numbered from here on. */
const FIRST_INDEX = 1000

/**
 * DMA memory of a UIO core with the patch of 2008: a mapping at the magic offset allocates it. It lives until the driver lets the
 * device go, so what was allocated here is kept and used again. What others allocated is left alone: they may have it still.
 */
export class AllocatedRegions implements DriverWay {
  readonly name = 'uio dma memory at the magic offset'
  readonly #connection: UioConnection
  readonly #pool = new RegionPool()
  /** Why no more is asked for: an error is made each time, since one that is kept would keep its callers. */
  #refusal: (() => DmaError) | undefined

  constructor(connection: UioConnection) {
    this.#connection = connection
  }

  allocate(device: DmaDevice, byteLength: number, mask: bigint): DriverMemory {
    const { kernel } = this.#connection
    const known = this.#pool.find(byteLength, mask)
    if (known) return this.#give(device, known)
    // The kernel would choose another one like it, and that could not be freed either.
    const above = this.#pool.findOutOfReach(byteLength, mask)
    if (above) throw outOfReach(device.name, above, mask)
    const { region, mapping } = this.#create(Math.ceil(byteLength / kernel.pageSize) * kernel.pageSize)
    this.#pool.add(region)
    if (isInReach(region, mask)) return this.#give(device, region, mapping)
    mapping.close()
    throw outOfReach(device.name, region, mask)
  }

  #give(device: DmaDevice, region: DriverRegion, mapping?: MemoryMapping): DriverMemory {
    return new DriverMemory(device, this.#connection, region, this.#pool, mapping)
  }

  #create(byteLength: number): { region: DriverRegion; mapping: MemoryMapping } {
    const { kernel } = this.#connection
    const mapping = this.#mapNew(byteLength)
    try {
      const words = new DataView(mapping.bytes.buffer, mapping.bytes.byteOffset, 16)
      const busAddress = words.getBigUint64(0, true)
      const index = Number(words.getBigUint64(8, true))
      this.#assertAgrees(index, busAddress, byteLength)
      const origin = `uio dma memory map${index}`
      return { region: { origin, busAddress, byteLength, position: index * kernel.pageSize }, mapping }
    } catch (error) {
      mapping.close()
      throw error
    }
  }

  /** A core without the patch refuses the offset, as it does every one that is no map's. */
  #mapNew(byteLength: number): MemoryMapping {
    const { kernel, fd } = this.#connection
    if (this.#refusal) throw this.#refusal()
    try {
      return kernel.mmap(fd, { position: NEW_REGION_PAGE * kernel.pageSize, byteLength })
    } catch (error) {
      if (!isDmaError(error, 'EINVAL')) throw error
      this.#refusal = () => new DmaError(NOT_OFFERED, 'this kernel’s UIO core allocates none')
      throw this.#refusal()
    }
  }

  /** What the memory says of itself is believed where sysfs says the same. */
  #assertAgrees(index: number, busAddress: bigint, byteLength: number): void {
    const isIndex = Number.isSafeInteger(index) && index >= FIRST_INDEX
    const address = isIndex ? readMapAddress(this.#connection, index) : undefined
    if (address === busAddress && readMapLength(this.#connection, index) === byteLength) return
    this.#refusal = () =>
      new DmaError(
        'DMA_UNTRUSTED_ADDRESS',
        `what the kernel mapped says that it is map${index} at 0x${busAddress.toString(16)}, and sysfs does not`,
        { hint: 'this is another interface than the UIO patch of 2008: no address of it is used' },
      )
    throw this.#refusal()
  }
}
