import { DmaError } from '@linux-dma/native'
import { allocateOwnRegion } from '../allocation/own-region'
import type { DmaDevice } from '../device/dma-device'
import type { DmaOps } from '../device/dma-ops'
import type { DmaRegion } from '../mapping/region'
import { type DmaAddress, toNumber } from '../vocabulary/address'
import { DmaDirection, type TransferDirection } from '../vocabulary/direction'
import { bufferGone, full, notMapped, poolClosed, tooLong } from './bounce-errors'
import { BounceSlots, Slot, type SlotPlacement } from './bounce-slots'

/** How full the bounce buffer of a device is: what the kernel shows of swiotlb in debugfs. */
export interface BouncePoolUsage {
  /** Slots of 2 KiB in all: `io_tlb_nslabs`. */
  readonly totalSlots: number
  /** Slots in use: `io_tlb_used`. */
  readonly usedSlots: number
  /** The most that ever were in use at once: `io_tlb_used_hiwater`. */
  readonly mostUsedSlots: number
}

/** Stands for no bytes: what a slot that is not in use is a copy of. */
const NO_BYTES = new Uint8Array(0)

/** The slots of one device, in memory that it has for as long as it is open, and the buffers that are copied there. */
export class BouncePool implements BouncePoolUsage {
  readonly device: DmaDevice
  readonly #inner: DmaOps
  readonly #region: DmaRegion
  readonly #bytes: Uint8Array
  /** Address of the first slot. */
  readonly #start: number
  readonly #slots: BounceSlots
  // What is known of a mapping, at its first slot.
  readonly #origins: Uint8Array[]
  readonly #lengths: Uint32Array
  readonly #directions: Uint8Array
  /** Bytes before the mapping in its first slot. */
  readonly #paddings: Uint16Array
  /** The last view that was needed of the bytes in a slot: rings ask for the same one again and again. */
  readonly #copies: Uint8Array[]
  readonly #copyOffsets: Float64Array
  /** One for all searches. */
  readonly #placement: SlotPlacement = { stride: 1, phase: 0, boundary: 1 }

  /** @param byteLength a multiple of the bytes in a segment */
  constructor(device: DmaDevice, inner: DmaOps, byteLength: number) {
    this.device = device
    this.#inner = inner
    // User space cannot say where memory is to lie: it is looked for.
    this.#region = allocateOwnRegion(device, byteLength, DmaDirection.Bidirectional, {
      purpose: 'region',
      name: 'linux-dma-bounce',
    })
    const memory = this.#region.memory
    const total = Math.floor(memory.byteLength / Slot.SegmentByteLength) * Slot.PerSegment
    this.#bytes = memory.bytes
    this.#start = toNumber(this.#region.dmaAddress)
    this.#slots = new BounceSlots(total, this.#start / Slot.ByteLength)
    this.#origins = new Array<Uint8Array>(total).fill(NO_BYTES)
    this.#copies = new Array<Uint8Array>(total).fill(NO_BYTES)
    this.#copyOffsets = new Float64Array(total)
    this.#lengths = new Uint32Array(total)
    this.#directions = new Uint8Array(total)
    this.#paddings = new Uint16Array(total)
  }

  get totalSlots(): number {
    return this.#slots.total
  }

  get usedSlots(): number {
    return this.#slots.used
  }

  get mostUsedSlots(): number {
    return this.#slots.mostUsed
  }

  /** Whether the device has the slots, and none of them is in use. */
  get idle(): boolean {
    return this.usedSlots === 0 && this.device.children.has(this.#region)
  }

  /** Takes the slots from the device. */
  close(): void {
    this.#region.close()
  }

  /** Takes slots, and copies the bytes into them whatever the direction. */
  map(bytes: Uint8Array, direction: TransferDirection): DmaAddress {
    if (this.#region.closed) throw poolClosed(this.device)
    const { byteLength, byteOffset } = bytes
    const padding = byteOffset & this.device.parameters.minAlignMask & (Slot.ByteLength - 1)
    const count = (byteLength + padding + Slot.ByteLength - 1) >>> Slot.Shift
    const placement = this.place(byteOffset, byteLength, count)
    const head = this.#slots.take(count, placement)
    if (head < 0) throw full(this.device, byteLength, this.#slots)
    this.#origins[head] = bytes
    this.#lengths[head] = byteLength
    this.#directions[head] = direction
    this.#paddings[head] = padding
    const offset = head * Slot.ByteLength + padding
    const address = (this.#start + offset) as unknown as DmaAddress
    try {
      this.#bytes.set(bytes, offset)
      if (this.#inner.coherent !== true) {
        this.#inner.syncForDevice?.(this.device, address, byteLength, direction)
      }
    } catch (error) {
      this.release(head)
      throw error
    }
    return address
  }

  /** Gives the slots back, after what the device wrote was copied from them, unless `skipCopy`. */
  unmap(address: DmaAddress, skipCopy: boolean): void {
    // The slots went with the pool, and the device can write no more: there is nothing to give back, or to copy.
    if (this.#region.closed) return
    const head = this.headAt(address)
    if (this.offsetIn(head, address) !== 0) throw notMapped(this.device, address)
    try {
      if (!skipCopy) this.copyOut(head, address, 0, this.#lengths[head]!)
    } finally {
      this.release(head)
    }
  }

  owns(address: DmaAddress): boolean {
    return !this.#region.closed && this.#slots.headOf(this.slotAt(address)) >= 0
  }

  syncForCpu(address: DmaAddress, byteLength: number): void {
    const head = this.rangeAt(address, byteLength)
    this.copyOut(head, address, this.offsetIn(head, address), byteLength)
  }

  syncForDevice(address: DmaAddress, byteLength: number): void {
    const head = this.rangeAt(address, byteLength)
    const direction = this.#directions[head] as TransferDirection
    const origin = this.#origins[head]!
    this.assertWhole(head)
    if (direction !== DmaDirection.FromDevice) {
      const offset = this.offsetIn(head, address)
      const whole = byteLength === this.#lengths[head]
      const bytes = whole ? origin : origin.subarray(offset, offset + byteLength)
      this.#bytes.set(bytes, toNumber(address) - this.#start)
    }
    if (this.#inner.coherent !== true) {
      this.#inner.syncForDevice?.(this.device, address, byteLength, direction)
    }
  }

  /** Copies a range of a mapping back to where its bytes came from; nothing for a mapping to the device. */
  private copyOut(head: number, address: DmaAddress, offset: number, byteLength: number): void {
    const direction = this.#directions[head] as TransferDirection
    if (this.#inner.coherent !== true) {
      this.#inner.syncForCpu?.(this.device, address, byteLength, direction)
    }
    if (direction === DmaDirection.ToDevice) return
    this.assertWhole(head)
    const start = toNumber(address) - this.#start
    let copy = this.#copies[head]!
    if (copy.length !== byteLength || this.#copyOffsets[head] !== start) {
      copy = this.#bytes.subarray(start, start + byteLength)
      this.#copies[head] = copy
      this.#copyOffsets[head] = start
    }
    this.#origins[head]!.set(copy, offset)
  }

  private release(head: number): void {
    this.#origins[head] = NO_BYTES
    this.#slots.release(head)
  }

  /** Where slots for these bytes may lie, so that the address keeps the bits that the device looks at. */
  private place(byteOffset: number, byteLength: number, count: number): SlotPlacement {
    const { minAlignMask, segmentBoundary } = this.device.parameters
    const placement = this.#placement
    placement.stride = 1
    placement.phase = 0
    if (minAlignMask > 0) {
      placement.stride = (minAlignMask >>> Slot.Shift) + 1
      placement.phase = (byteOffset & minAlignMask) >>> Slot.Shift
    } else if (byteLength >= this.device.kernel.pageSize) {
      placement.stride = this.device.kernel.pageSize >>> Slot.Shift
    }
    const bounded = segmentBoundary !== Number.MAX_SAFE_INTEGER
    placement.boundary = bounded ? (segmentBoundary + 1) / Slot.ByteLength : Number.POSITIVE_INFINITY
    const longest = longestBounce(minAlignMask)
    if (byteLength > longest) throw tooLong(byteLength, longest, 'a segment of slots')
    if ((placement.phase % placement.boundary) + count > placement.boundary) {
      throw tooLong(byteLength, segmentBoundary + 1, 'the device’s segment boundary')
    }
    return placement
  }

  private slotAt(address: DmaAddress): number {
    return Math.floor((toNumber(address) - this.#start) / Slot.ByteLength)
  }

  /** The first slot of the mapping that an address lies in. @throws DMA_NOT_MAPPED */
  private headAt(address: DmaAddress): number {
    const head = this.#slots.headOf(this.slotAt(address))
    if (head < 0) throw notMapped(this.device, address)
    return head
  }

  private offsetIn(head: number, address: DmaAddress): number {
    return toNumber(address) - this.#start - head * Slot.ByteLength - this.#paddings[head]!
  }

  /** The first slot of the mapping that holds a range. @throws DMA_NOT_MAPPED, DMA_RANGE, DMA_CLOSED */
  private rangeAt(address: DmaAddress, byteLength: number): number {
    if (this.#region.closed) throw poolClosed(this.device)
    const head = this.headAt(address)
    const offset = this.offsetIn(head, address)
    const limit = this.#lengths[head]!
    if (offset >= 0 && byteLength > 0 && offset + byteLength <= limit) return head
    throw new DmaError(
      'DMA_RANGE',
      `a sync of ${byteLength} bytes at offset ${offset} is not inside the ${limit} bytes that were mapped`,
      { hint: 'sync what was mapped, or a part of it' },
    )
  }

  /** @throws DMA_DETACHED where the buffer that the slots are a copy of is gone, or shorter than it was */
  private assertWhole(head: number): void {
    if (this.#origins[head]!.length === this.#lengths[head]) return
    throw bufferGone()
  }
}

/** Bytes in the longest mapping: a segment, less what keeping the low bits of the address may take of it. */
export function longestBounce(minAlignMask: number): number {
  return Slot.SegmentByteLength - Math.ceil(minAlignMask / Slot.ByteLength) * Slot.ByteLength
}
