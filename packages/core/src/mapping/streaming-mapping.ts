import { DmaError } from '@linux-dma/native'
import { DmaMisuse } from '../checker/misuse'
import { misused } from '../checker/misused'
import { closeAll } from '../checks/close-all'
import { assertRange } from '../checks/validate'
import type { DmaDevice } from '../device/dma-device'
import type { DmaAddress } from '../vocabulary/address'
import { assertAttributes, type DmaAttributes, NOT_FOR_STREAMING } from '../vocabulary/attributes'
import { directionName, type TransferDirection } from '../vocabulary/direction'
import type { MappingHome } from './mapping-home'
import type { MappingHandle } from './mapping-table'

/**
 * A buffer that belongs to a device from `dmaMapSingle` to `dmaUnmapSingle`, except between a sync for the CPU and
 * the next sync for the device. Its bytes are reachable here only while the CPU owns them.
 */
export class StreamingMapping implements Disposable {
  readonly device: DmaDevice
  readonly byteLength: number
  readonly direction: TransferDirection

  readonly #home: MappingHome
  readonly #handle: MappingHandle
  /** Offset of the first byte in its home. */
  readonly #byteOffset: number
  /** The part that the CPU owns: all of it, or the range of a range sync. */
  #cpuOffset = 0
  #cpuLength: number
  /** Said here too: after thousands of reuses the handle's number comes round again. */
  #ended = false

  /** @internal use {@link dmaMapSingle} */
  constructor(
    home: MappingHome,
    byteOffset: number,
    byteLength: number,
    direction: TransferDirection,
    attributes: DmaAttributes,
  ) {
    this.device = home.device
    this.byteLength = byteLength
    this.direction = direction
    this.#cpuLength = byteLength
    this.#home = home
    this.#byteOffset = byteOffset
    this.#handle = home.mapSingle(byteOffset, byteLength, direction, attributes)
  }

  /**
   * Where the device finds the first byte.
   * @throws DMA_NOT_MAPPED after the unmap; DMA_BUS_MASTER_OFF; DMA_CLOSED
   */
  get dmaAddress(): DmaAddress {
    this.#assertMapped()
    return this.#home.addressOf(this.#handle)
  }

  /** Whether the mapping is live. */
  get mapped(): boolean {
    return !this.#ended && this.#home.isMapped(this.#handle)
  }

  /** Who may touch the bytes now. After the unmap it is the CPU, through the buffer that was mapped. */
  get owner(): 'cpu' | 'device' {
    return this.mapped && !this.#home.isCpuOwned(this.#handle) ? 'device' : 'cpu'
  }

  /**
   * The bytes that the CPU owns now: all, or the range of the last range sync.
   * @throws DMA_DEVICE_OWNS while the device owns them; DMA_NOT_MAPPED after the unmap
   */
  get bytes(): Uint8Array {
    this.#assertMapped()
    if (!this.#home.isCpuOwned(this.#handle)) {
      throw new DmaError('DMA_DEVICE_OWNS', 'the device owns these bytes now', {
        hint: 'call dmaSyncSingleForCpu(device, mapping) first, or dmaUnmapSingle(device, mapping) when it is done',
      })
    }
    return this.#home.bytesAt(this.#byteOffset + this.#cpuOffset, this.#cpuLength)
  }

  /**
   * Lends the bytes, or a range of them, to the CPU: see {@link dmaSyncSingleForCpu}. A range takes the place of the last one.
   * @returns the bytes that the CPU owns now
   */
  syncForCpu(byteOffset = 0, byteLength = this.byteLength - byteOffset): Uint8Array {
    this.#sync('syncForCpu', byteOffset, byteLength)
    this.#cpuOffset = byteOffset
    this.#cpuLength = byteLength
    return this.bytes
  }

  /**
   * Gives the bytes back to the device, all of them, also where only a range is copied or flushed: see
   * {@link dmaSyncSingleRangeForDevice}.
   */
  syncForDevice(byteOffset = 0, byteLength = this.byteLength - byteOffset): void {
    this.#sync('syncForDevice', byteOffset, byteLength)
  }

  /**
   * Lends the bytes to `use` for the length of the call and gives them back to the device, also when it throws.
   * @param use not an async function: the bytes would be the device's again before it is through
   * @example
   * const status = mapping.withCpu((bytes) => bytes[0])
   * @throws DMA_INVALID_ARGUMENT where `use` returns a promise
   */
  withCpu<Result>(use: (bytes: Uint8Array) => Result): Result {
    const bytes = this.syncForCpu()
    let result: Result
    try {
      result = use(bytes)
    } finally {
      if (this.mapped) this.syncForDevice()
    }
    if (typeof (result as { then?: unknown } | null | undefined)?.then !== 'function') return result
    // Nobody will look at what becomes of it.
    Promise.resolve(result).catch(() => {})
    throw new DmaError(
      'DMA_INVALID_ARGUMENT',
      'withCpu: the function is async, and the bytes are the device’s again',
      {
        hint: 'call syncForCpu(), await what you need, then syncForDevice()',
      },
    )
  }

  /**
   * Takes the bytes back from the device for good: see {@link dmaUnmapSingle}.
   * @throws DMA_NOT_MAPPED the second time
   */
  unmap(attributes: DmaAttributes = 0): void {
    this.#assertMapped(DmaMisuse.UnmapUnknown)
    assertAttributes('dmaUnmapSingle', attributes, NOT_FOR_STREAMING)
    this.#ended = true
    const home = this.#home
    closeAll([
      () => home.unmapSingle(this.#handle, attributes),
      () => {
        if (home.temporary) home.close()
      },
    ])
  }

  /** Unmaps where that has not been done. */
  [Symbol.dispose](): void {
    if (this.mapped) this.unmap()
  }

  #sync(verb: 'syncForCpu' | 'syncForDevice', byteOffset: number, byteLength: number): void {
    this.#assertMapped(DmaMisuse.SyncUnknown)
    try {
      assertRange(
        `${directionName(this.direction)} mapping of ${this.device.name}`,
        byteOffset,
        byteLength,
        this.byteLength,
      )
    } catch (error) {
      throw this.misused(DmaMisuse.SyncRange, error as DmaError, byteLength)
    }
    this.#home.syncRange(verb, this.#handle, byteOffset, byteLength)
  }

  /** @param misuse what it is to go on without a mapping, where that is one that a checker tells of */
  #assertMapped(misuse?: DmaMisuse): void {
    if (this.mapped) return
    const error = new DmaError(
      'DMA_NOT_MAPPED',
      `the ${this.byteLength}-byte mapping of ${this.device.name} has ended`,
      {
        hint: 'look for a first unmap, and for a region, memory or device that was closed before; to use the buffer once more, map it again',
      },
    )
    throw misuse === undefined ? error : this.misused(misuse, error)
  }

  /** The error for a misuse of it, with what a checker knows. @internal */
  misused(misuse: DmaMisuse, error: DmaError, size = this.byteLength): DmaError {
    const { device, direction, byteLength } = this
    const facts = device.ledger?.factsOfMapping(this.#home as never, this.#handle) ?? {}
    const expected = misuse === DmaMisuse.SyncRange ? `at most ${byteLength} bytes` : 'a live mapping'
    const actual = misuse === DmaMisuse.SyncRange ? `${size}` : 'one that has ended'
    return misused(device, misuse, error, { direction, ...facts, size, expected, actual })
  }
}
