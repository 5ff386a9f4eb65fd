import {
  type CoherentMemory,
  type DeviceChild,
  type DmaAddress,
  type DmaDevice,
  dmaAddress,
} from '@linux-dma/core'
import type { MemoryMapping } from '@linux-dma/native'
import type { UioConnection } from '../device/connection'
import type { DriverRegion } from './driver-region'
import type { RegionPool } from './region-pool'

/**
 * A region of a driver's memory while an allocation has it. It leaves the process at once when the device goes away: the
 * kernel frees such memory then, mapped or not, and somebody else's bytes would be in it.
 */
export class DriverMemory implements CoherentMemory, DeviceChild {
  readonly byteLength: number
  readonly origin: string
  readonly coherent = true
  readonly #device: DmaDevice
  readonly #connection: UioConnection
  readonly #region: DriverRegion
  readonly #pool: RegionPool
  readonly #mapping: MemoryMapping
  readonly #bytes: Uint8Array
  readonly #dmaAddress: DmaAddress
  readonly #stopWaiting: () => void
  #released = false

  /**
   * Maps the region, zeroes it, and has `device` own it.
   * @param mapped where it is mapped already: closed where this fails
   * @throws what mmap(2) answers; DMA_CLOSED. Nothing stays mapped then.
   */
  constructor(
    device: DmaDevice,
    connection: UioConnection,
    region: DriverRegion,
    pool: RegionPool,
    mapped?: MemoryMapping,
  ) {
    this.#device = device
    this.#connection = connection
    this.#region = region
    this.#pool = pool
    const { position, byteLength } = region
    const mapping = mapped ?? connection.kernel.mmap(connection.fd, { position, byteLength })
    this.#mapping = mapping
    this.origin = region.origin
    this.byteLength = byteLength
    try {
      this.#dmaAddress = dmaAddress(Number(region.busAddress))
      this.#bytes = mapping.bytes.subarray(0, byteLength)
      this.#bytes.fill(0)
      device.adopt(this)
    } catch (error) {
      mapping.close()
      throw error
    }
    pool.take(region)
    // The mapping alone: a device that is forgotten is to be told of, and not kept.
    this.#stopWaiting = connection.onGone(() => mapping.close())
  }

  /**
   * Without a system call: it is for loops. That the device has gone is known where it has an interrupt, whose watch tells, or
   * from when something asked the device.
   * @throws DMA_DEVICE_GONE
   */
  get bytes(): Uint8Array {
    this.#assertKnownThere()
    return this.#bytes
  }

  /**
   * Where the device finds it, after one look whether it is still there. Where it has no interrupt the device looked by then: it
   * does so whenever it is asked whether it is ready.
   * @throws DMA_DEVICE_GONE
   */
  get dmaAddress(): DmaAddress {
    if (this.#connection.isWatched) this.#connection.assertPresent()
    else this.#assertKnownThere()
    return this.#dmaAddress
  }

  /** Whether it was taken out of the process: by `close()`, or since the device was noticed to have gone. */
  get closed(): boolean {
    return this.#mapping.closed
  }

  /** Takes the memory out of the process, and gives the region to the next one who asks. Idempotent. */
  close(): void {
    if (this.#released) return
    this.#mapping.close()
    this.#released = true
    this.#stopWaiting()
    this.#device.disown(this)
    if (this.#isQuiet()) this.#pool.giveBack(this.#region)
  }

  #assertKnownThere(): void {
    if (this.#connection.gone) throw this.#connection.goneError()
  }

  /**
   * Who frees an allocation says that the device is done with it. Who closes the device does not: where nothing keeps that from
   * the bus, the region is nobody's until the device's descriptor is closed too.
   */
  #isQuiet(): boolean {
    return !this.#device.closed || !this.#connection.dma.busMaster
  }
}
