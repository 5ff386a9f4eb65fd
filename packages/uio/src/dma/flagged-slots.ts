import { type DmaDevice, DmaError, isDmaError } from '@linux-dma/core'
import type { MemoryMapping } from '@linux-dma/native'
import type { UioConnection } from '../device/connection'
import type { UioMapInfo } from '../discovery/uio-device-info'
import { DriverMemory } from './driver-memory'
import type { DriverWay } from './driver-way'
import { readMapAddress } from './map-attributes'
import { otherProcessWith } from './other-process'
import { NOT_OFFERED } from './refusals'
import { RegionPool } from './region-pool'

/** Of a page offset: with the index of a map that is DMA memory, it allocates that. No map of a core without it is so far out. */
const FLAG = 0x1_0000
/** No address has more bits: with them it is a pointer, or nothing. */
const BEYOND_ADDRESSES = 1n << 52n

/**
 * Maps that the driver set aside for DMA memory, as the review of the patch of 2008 asked for: each is allocated when it is mapped
 * first, with a flag in the offset, and stays as long as the device. Only maps that may be such are tried.
 *
 * A slot says not whose it is. One that was allocated before it was tried here is taken where no other process is seen to have the
 * device open, since that of a process that has ended is to be used again; else it is left alone. What is not seen: descriptors of
 * other users' processes, where this one is not root's, and a process that allocates the same slot at the same instant.
 */
export class FlaggedSlots implements DriverWay {
  readonly name = 'uio dma memory behind a flag'
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
    const inUse = this.#lookFor(byteLength, mask)
    const region = this.#pool.find(byteLength, mask)
    if (region === undefined) {
      if (inUse) throw inUse
      if (this.#pool.isEmpty) throw new DmaError(NOT_OFFERED, 'no map of its driver is one')
      throw this.#pool.whyNone(device.name, byteLength, mask)
    }
    return new DriverMemory(device, this.#connection, region, this.#pool)
  }

  /**
   * Tries maps that are large enough until one gives what is wanted: to try one allocates it.
   * @returns DMA_IN_USE of one that others may have
   */
  #lookFor(byteLength: number, mask: bigint): DmaError | undefined {
    let inUse: DmaError | undefined
    for (const map of this.#candidates.filter((candidate) => candidate.byteLength >= byteLength)) {
      if (this.#pool.find(byteLength, mask)) return undefined
      inUse = this.#try(map) ?? inUse
    }
    return inUse
  }

  /** @returns DMA_IN_USE where others may have it: it is tried again then */
  #try(map: UioMapInfo): DmaError | undefined {
    const { index, byteLength } = map
    const position = (FLAG + index) * this.#connection.kernel.pageSize
    // As it is now: since the device was opened others may have allocated it.
    const before = readMapAddress(this.#connection, index) ?? 0n
    const mapping = this.#mapFlagged(position, byteLength)
    try {
      const busAddress = mapping && this.#addressOf(index)
      const isOurs = mapping !== undefined && before === 0n && saysSo(index, mapping, busAddress)
      const inUse = mapping && !isOurs ? this.#whyInUse(index) : undefined
      if (inUse) return inUse
      // Told by now whether it is one, unless memory was short.
      this.#candidates = this.#candidates.filter((candidate) => candidate !== map)
      if (mapping === undefined) return undefined
      if (busAddress === undefined || (before === 0n && !isOurs)) throw untrusted(index)
      this.#pool.add({ origin: `uio dma memory map${index}`, busAddress, byteLength, position })
      return undefined
    } finally {
      mapping?.close()
    }
  }

  #whyInUse(index: number): DmaError | undefined {
    const { kernel, info } = this.#connection
    const other = otherProcessWith(kernel, info.path)
    if (other === undefined) return undefined
    return new DmaError(
      'DMA_IN_USE',
      `map${index} is allocated already, and process ${other} has ${info.node} open too: it may do DMA there`,
      { hint: `end that one first: 'ps -fp ${other}' tells what it is; or have it allocate for both` },
    )
  }

  #mapFlagged(position: number, byteLength: number): MemoryMapping | undefined {
    try {
      return this.#connection.kernel.mmap(this.#connection.fd, { position, byteLength })
    } catch (error) {
      if (isDmaError(error, 'EINVAL')) return undefined
      throw error
    }
  }

  /** Once it is allocated sysfs has the address. */
  #addressOf(index: number): bigint | undefined {
    const busAddress = readMapAddress(this.#connection, index) ?? 0n
    return busAddress > 0n && busAddress < BEYOND_ADDRESSES ? busAddress : undefined
  }
}

/** Memory that was allocated just now has its address in itself, too, and its index. */
function saysSo(index: number, { bytes }: MemoryMapping, busAddress: bigint | undefined): boolean {
  const words = new DataView(bytes.buffer, bytes.byteOffset, 16)
  return words.getBigUint64(0, true) === busAddress && words.getBigUint64(8, true) === BigInt(index)
}

function untrusted(index: number): DmaError {
  return new DmaError(
    'DMA_UNTRUSTED_ADDRESS',
    `map${index} was mapped as DMA memory, and where the device finds it cannot be told: sysfs and the memory itself do not say the same`,
    { hint: 'this is another interface than that of DMA slots: no address of it is used' },
  )
}
