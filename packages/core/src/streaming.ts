import { DmaError } from '@linux-dma/native'
import type { DmaAddress } from './address'
import { assertAttributes, type DmaAttributes, NOT_FOR_STREAMING } from './attributes'
import { isOutOfReach } from './bounce-errors'
import { BouncedBuffer } from './bounced-buffer'
import type { Bouncer } from './bouncer'
import { closeAll } from './close-all'
import { assertTransferDirection, directionName, type TransferDirection } from './direction'
import type { DmaDevice } from './dma-device'
import type { MappingHome } from './mapping-home'
import type { MappingHandle } from './mapping-table'
import { type DmaMemory, isDetached, isDmaMemory, memoryOf } from './memory'
import { DmaRegion } from './region'
import { assertRange } from './validate'
import { rangeOf } from './view-range'

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
  #cpuLength = 0
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
   * Lends the bytes, or a range of them, to the CPU: see {@link dmaSyncSingleForCpu}.
   * @returns the bytes that the CPU owns now
   */
  syncForCpu(byteOffset = 0, byteLength = this.byteLength - byteOffset): Uint8Array {
    this.#sync('syncForCpu', byteOffset, byteLength)
    this.#cpuOffset = byteOffset
    this.#cpuLength = byteLength
    return this.bytes
  }

  /** Gives the bytes back to the device: see {@link dmaSyncSingleForDevice}. */
  syncForDevice(byteOffset = 0, byteLength = this.byteLength - byteOffset): void {
    this.#sync('syncForDevice', byteOffset, byteLength)
  }

  /**
   * Lends the bytes to `use` for the length of the call and gives them back to the device, also when it throws.
   * @param use not an async function: the bytes would be the device's again before it is through
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
    this.#assertMapped()
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
    this.#assertMapped()
    assertRange(
      `${directionName(this.direction)} mapping of ${this.device.name}`,
      byteOffset,
      byteLength,
      this.byteLength,
    )
    this.#home.syncRange(verb, this.#handle, byteOffset, byteLength)
  }

  #assertMapped(): void {
    if (this.mapped) return
    throw new DmaError(
      'DMA_NOT_MAPPED',
      `the ${this.byteLength}-byte mapping of ${this.device.name} has ended`,
      {
        hint: 'it was unmapped, or its region, memory or device was closed; map the buffer again',
      },
    )
  }
}

/**
 * Gives a buffer to a device. Mirrors `dma_map_single()`; a failure throws, so it cannot go unchecked.
 *
 * In a region of this device (`createDmaRegion`) this is arithmetic. Elsewhere it pins and maps the pages that the
 * buffer touches, with one system call; the device can then reach all of those pages.
 * @param buffer a view of DMA memory, of 1 byte to 4 GiB - 1; on a path that bounces, of any memory
 * @param direction which way the bytes travel
 * @param attributes `SkipCpuSync`, `RequireCoherent`, or those that have no effect
 * @throws DMA_INVALID_ARGUMENT, DMA_ATTRIBUTE; DMA_DETACHED, DMA_RESIZABLE, DMA_NOT_DMA_MEMORY for memory that cannot be
 *   pinned; DMA_BUS_MASTER_OFF, DMA_CLOSED for the device; DMA_NOT_COHERENT for `RequireCoherent`; ENOMEM, ENOSPC from its
 *   DMA path; DMA_BOUNCE_FULL, DMA_BOUNCE_TOO_LONG where it bounces. Nothing stays mapped then.
 * @example
 * ```ts
 * using mapping = dmaMapSingle(device, memory.bytes.subarray(0, 4096), DmaDirection.ToDevice)
 * registers.writeAddress(0x80, mapping.dmaAddress)
 * ```
 */
export function dmaMapSingle(
  device: DmaDevice,
  buffer: ArrayBufferView,
  direction: TransferDirection,
  attributes: DmaAttributes = 0,
): StreamingMapping {
  assertTransferDirection(direction)
  assertAttributes('dmaMapSingle', attributes, NOT_FOR_STREAMING)
  device.assertReady()
  const { bouncer } = device.ops
  if (bouncer && !isDmaMemory(buffer)) {
    const bytes = bytesOf(buffer)
    return new StreamingMapping(
      new BouncedBuffer(device, bouncer, bytes),
      0,
      bytes.byteLength,
      direction,
      attributes,
    )
  }
  const { memory, range } = memoryOf(buffer)
  return mapMemory(
    device,
    memory,
    range.byteOffset - memory.bytes.byteOffset,
    range.byteLength,
    direction,
    attributes,
  )
}

/** Maps a part of DMA memory: `dmaMapSingle` and `dmaMapPage` after their checks. @internal */
export function mapMemory(
  device: DmaDevice,
  memory: DmaMemory,
  offset: number,
  byteLength: number,
  direction: TransferDirection,
  attributes: DmaAttributes,
): StreamingMapping {
  assertNotEmpty(byteLength)
  const { home, byteOffset } = homeFor(device, memory, offset, byteLength, direction)
  try {
    return new StreamingMapping(home, byteOffset, byteLength, direction, attributes)
  } catch (error) {
    if (home.temporary) home.close()
    throw error
  }
}

function homeFor(
  device: DmaDevice,
  memory: DmaMemory,
  offset: number,
  byteLength: number,
  direction: TransferDirection,
): { home: MappingHome; byteOffset: number } {
  for (const region of memory.registered) {
    if (region.covers(device, offset, byteLength, direction))
      return { home: region, byteOffset: offset - region.memoryOffset }
  }
  const { pageSize } = device.kernel
  const { bouncer } = device.ops
  if (bouncer?.needed(device, undefined, offset % pageSize, byteLength)) {
    return { home: bounced(device, bouncer, memory, offset, byteLength), byteOffset: 0 }
  }
  const start = Math.floor(offset / pageSize) * pageSize
  const end = Math.ceil((offset + byteLength) / pageSize) * pageSize
  try {
    const home = new DmaRegion(device, memory, start, end - start, direction, {
      purpose: 'single',
      ownsMemory: false,
      capacity: 1,
    })
    return { home, byteOffset: offset - start }
  } catch (error) {
    if (!bouncer || !isOutOfReach(error)) throw error
    return { home: bounced(device, bouncer, memory, offset, byteLength), byteOffset: 0 }
  }
}

function bounced(
  device: DmaDevice,
  bouncer: Bouncer,
  memory: DmaMemory,
  offset: number,
  byteLength: number,
): MappingHome {
  const bytes = memory.bytes.subarray(offset, offset + byteLength)
  return new BouncedBuffer(device, bouncer, bytes, memory)
}

/** The bytes of any buffer, for a path that copies them. @throws DMA_INVALID_ARGUMENT, DMA_DETACHED */
function bytesOf(buffer: ArrayBufferView): Uint8Array {
  const range = rangeOf(buffer)
  if (isDetached(range.buffer)) memoryOf(buffer)
  assertNotEmpty(range.byteLength)
  return new Uint8Array(range.buffer, range.byteOffset, range.byteLength)
}

function assertNotEmpty(byteLength: number): void {
  if (byteLength > 0) return
  throw new DmaError('DMA_INVALID_ARGUMENT', 'the buffer is empty: there is nothing to map')
}

/**
 * Ends a mapping: the CPU owns the buffer again. Mirrors `dma_unmap_single()`, whose size and direction the mapping
 * knows itself.
 * @param attributes `SkipCpuSync` where nothing that the device wrote is wanted
 * @throws DMA_NOT_MAPPED the second time; DMA_WRONG_DEVICE; DMA_ATTRIBUTE
 */
export function dmaUnmapSingle(
  device: DmaDevice,
  mapping: StreamingMapping,
  attributes: DmaAttributes = 0,
): void {
  assertSameDevice(device, mapping)
  mapping.unmap(attributes)
}

/**
 * Lends a mapped buffer to the CPU until the next sync for the device. Mirrors `dma_sync_single_for_cpu()`.
 * @returns the bytes
 * @throws DMA_NOT_MAPPED, DMA_WRONG_DEVICE
 */
export function dmaSyncSingleForCpu(device: DmaDevice, mapping: StreamingMapping): Uint8Array {
  assertSameDevice(device, mapping)
  return mapping.syncForCpu()
}

/** Gives a mapped buffer back to the device. Mirrors `dma_sync_single_for_device()`. @throws DMA_NOT_MAPPED, DMA_WRONG_DEVICE */
export function dmaSyncSingleForDevice(device: DmaDevice, mapping: StreamingMapping): void {
  assertSameDevice(device, mapping)
  mapping.syncForDevice()
}

/**
 * Lends a range of a mapped buffer to the CPU. Mirrors `dma_sync_single_range_for_cpu()`.
 * @returns the bytes of the range
 * @throws DMA_RANGE outside the mapping; DMA_NOT_MAPPED, DMA_WRONG_DEVICE
 */
export function dmaSyncSingleRangeForCpu(
  device: DmaDevice,
  mapping: StreamingMapping,
  byteOffset: number,
  byteLength: number,
): Uint8Array {
  assertSameDevice(device, mapping)
  return mapping.syncForCpu(byteOffset, byteLength)
}

/**
 * Gives a range of a mapped buffer back to the device. Mirrors `dma_sync_single_range_for_device()`.
 * @throws DMA_RANGE outside the mapping; DMA_NOT_MAPPED, DMA_WRONG_DEVICE
 */
export function dmaSyncSingleRangeForDevice(
  device: DmaDevice,
  mapping: StreamingMapping,
  byteOffset: number,
  byteLength: number,
): void {
  assertSameDevice(device, mapping)
  mapping.syncForDevice(byteOffset, byteLength)
}

function assertSameDevice(device: DmaDevice, mapping: StreamingMapping): void {
  if (!(mapping instanceof StreamingMapping)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `${typeof mapping} is no mapping`, {
      hint: 'pass what dmaMapSingle() returned; a handle of a region goes to region.unmapSingle() and its like',
    })
  }
  if (mapping.device === device) return
  throw new DmaError('DMA_WRONG_DEVICE', `the mapping is ${mapping.device.name}’s, not ${device.name}’s`, {
    hint: 'a DMA address means something only on the device it was mapped for',
  })
}
