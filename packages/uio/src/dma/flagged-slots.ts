import { type DmaDevice, DmaError, isDmaError } from '@linux-dma/core'
import type { MemoryMapping } from '@linux-dma/native'
import type { UioConnection } from '../device/connection'
import type { UioMapInfo } from '../discovery/uio-device-info'
import { DriverMemory } from './driver-memory'
import type { DriverWay } from './driver-way'
import { readMapAddress } from './map-attributes'
import { NOT_OFFERED } from './refusals'
import { RegionPool } from './region-pool'

/** Of a page offset: with the index of a map that is DMA memory, it allocates that. No map of a core without it is so far out. */
const FLAG = 0x1_0000
/** No address has more bits: with them it is a pointer, or nothing. */
const BEYOND_ADDRESSES = 1n << 52n

/**
 * Maps that the driver set aside for DMA memory, as the review of the patch of 2008 asked for: each is allocated when it is mapped
 * first, with a flag in the offset, and stays as long as the device. Only maps that may be such are tried.
 */
export class FlaggedSlots implements DriverWay {
  readonly name = 'DMA slots of the UIO driver'
  readonly #connection: UioConnection
  readonly #pool = new RegionPool()
  /** Maps that may be slots, smallest first. */
  #candidates: UioMapInfo[]

  constructor(connection: UioConnection) {
    this.#connection = connection
    this.#candidates = connection.info.maps
      .filter(
        ({ addressKind, dmaMemory }) => (addressKind === 'unknown' || addressKind === 'memory') && !dmaMemory,
      )
      .filter(({ byteOffset, byteLength }) => byteOffset === 0 && byteLength > 0)
      .sort((a, b) => a.byteLength - b.byteLength)
  }

  allocate(device: DmaDevice, byteLength: number, mask: bigint): DriverMemory {
    this.#lookFor(byteLength, mask)
    const region = this.#pool.find(byteLength, mask)
    if (region === undefined) {
      if (this.#pool.isEmpty) throw new DmaError(NOT_OFFERED, 'no map of its driver is one')
      throw this.#pool.whyNone(device.name, byteLength, mask)
    }
    return new DriverMemory(device, this.#connection, region, this.#pool)
  }

  /** Tries maps that are large enough until one gives what is wanted: to try one allocates it. */
  #lookFor(byteLength: number, mask: bigint): void {
    for (const map of this.#candidates.filter((candidate) => candidate.byteLength >= byteLength)) {
      if (this.#pool.find(byteLength, mask)) return
      this.#try(map)
    }
  }

  #try(map: UioMapInfo): void {
    const { kernel } = this.#connection
    const { index, byteLength } = map
    const position = (FLAG + index) * kernel.pageSize
    const mapping = this.#mapFlagged(position, byteLength)
    // Told by now whether it is one, unless memory was short.
    this.#candidates = this.#candidates.filter((candidate) => candidate !== map)
    if (mapping === undefined) return
    try {
      const busAddress = this.#addressOf(map, mapping)
      const origin = `uio dma memory map${index}`
      this.#pool.add({ origin, busAddress, byteLength, position })
    } finally {
      mapping.close()
    }
  }

  #mapFlagged(position: number, byteLength: number): MemoryMapping | undefined {
    try {
      return this.#connection.kernel.mmap(this.#connection.fd, { position, byteLength })
    } catch (error) {
      if (isDmaError(error, 'EINVAL')) return undefined
      throw error
    }
  }

  /** Once it is allocated sysfs has the address; memory that was allocated just now has it in itself, too. */
  #addressOf({ index, address }: UioMapInfo, { bytes }: MemoryMapping): bigint {
    const busAddress = readMapAddress(this.#connection, index) ?? 0n
    const words = new DataView(bytes.buffer, bytes.byteOffset, 16)
    const isNew = address === 0n
    const agrees = words.getBigUint64(0, true) === busAddress && words.getBigUint64(8, true) === BigInt(index)
    if (busAddress > 0n && busAddress < BEYOND_ADDRESSES && (agrees || !isNew)) return busAddress
    throw new DmaError(
      'DMA_UNTRUSTED_ADDRESS',
      `map${index} was mapped as DMA memory, and where the device finds it cannot be told: sysfs says 0x${busAddress.toString(16)}, the memory something else`,
      { hint: 'this is another interface than that of DMA slots: no address of it is used' },
    )
  }
}
