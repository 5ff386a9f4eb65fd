import {
  assertAttributes,
  type DmaAddress,
  DmaAttribute,
  type DmaAttributes,
  type DmaDevice,
  DmaError,
  DmaMisuse,
  type TransferDirection,
} from '@linux-dma/core'
import { copyFromBuffer, copyToBuffer } from '../table/copy'
import type { Nents } from '../table/counts'
import type { PageSpace } from '../table/page-space'
import type { Segments } from '../table/segments'
import { type DmaPage, DmaPageIterator } from './dma-pages'
import { deviceOwns, notMapped } from './map-errors'
import type { SegmentPlacement } from './map-placement'
import { misusedTable, TableEntries } from './table-entries'

/** What a segment of a table cannot be mapped or unmapped with. */
export const NOT_FOR_TABLES =
  DmaAttribute.NoKernelMapping |
  DmaAttribute.ForceContiguous |
  DmaAttribute.AllocSinglePages |
  DmaAttribute.Mmio

/** One segment as a device sees it: the same object at each step of an iteration. */
export interface DmaSegment {
  readonly index: number
  readonly dmaAddress: DmaAddress
  /** Bytes, 1 to 2^32 - 1. */
  readonly dmaLength: number
}

/** Segments that a device can be given one by one. */
export interface DmaSegments extends Iterable<DmaSegment> {
  /** How many the device sees. */
  readonly nents: Nents
  /** @throws DMA_RANGE from `nents` on; DMA_NOT_MAPPED; DMA_BUS_MASTER_OFF, DMA_CLOSED */
  dmaAddressAt(i: number): DmaAddress
  /** @throws as `dmaAddressAt` */
  dmaLengthAt(i: number): number
}

/** Segments of memory that a device has, and that the CPU has only from a sync to the next. */
export abstract class MappedSegments implements DmaSegments, Disposable {
  readonly device: DmaDevice
  readonly direction: TransferDirection
  /** Bytes in all segments. */
  readonly byteLength: number
  /** @internal */
  readonly placement: SegmentPlacement
  /** @internal */
  readonly space: PageSpace
  /** Those in memory. @internal */
  readonly segments: Segments
  /** @internal */
  readonly attributes: DmaAttributes
  private count: number
  private ended = false
  private cpuOwns = false
  /** What the device's ledger has of it, where there is one. */
  private readonly records: TableEntries | undefined

  /** @internal */
  constructor(
    device: DmaDevice,
    space: PageSpace,
    segments: Segments,
    direction: TransferDirection,
    byteLength: number,
    placement: SegmentPlacement,
    attributes: DmaAttributes,
  ) {
    this.device = device
    this.space = space
    this.segments = segments
    this.direction = direction
    this.byteLength = byteLength
    this.placement = placement
    this.count = placement.nents
    this.attributes = attributes
    this.records = device.ledger && this.enter(device.ledger)
  }

  /**
   * How many segments the device sees: after joining fewer than `origNents`; without an IOMMU it may be more, where pages that
   * are neighbours in a buffer lie in pieces. For unmaps and syncs the kernel wants `origNents` instead.
   */
  get nents(): Nents {
    return this.count as Nents
  }

  /** Whether the device has all of it. */
  get mapped(): boolean {
    return !this.ended && this.placement.whole
  }

  /** Whether it was unmapped here, by `unmap()` or at the end of its scope. */
  get unmapped(): boolean {
    return this.ended
  }

  /** Who may touch the bytes now. After the unmap it is the CPU. */
  get owner(): 'cpu' | 'device' {
    return this.mapped && !this.cpuOwns ? 'device' : 'cpu'
  }

  /**
   * Where the device finds the first byte of a segment. Mirrors `sg_dma_address()`.
   * @param i 0 to `nents` - 1
   * @throws DMA_RANGE; DMA_NOT_MAPPED; DMA_BUS_MASTER_OFF, DMA_CLOSED
   */
  dmaAddressAt(i: number): DmaAddress {
    this.check(i)
    return this.placement.addresses[i] as unknown as DmaAddress
  }

  /** Bytes in a segment as the device sees it. Mirrors `sg_dma_len()`. @throws as {@link dmaAddressAt} */
  dmaLengthAt(i: number): number {
    this.check(i)
    return this.placement.lengths[i]!
  }

  /** The segments as the device sees them, through one object. Mirrors `for_each_sgtable_dma_sg()`. */
  [Symbol.iterator](): Iterator<DmaSegment> {
    return iterateSegments(this)
  }

  /**
   * The same by the page, through one object, for hardware that takes a list of pages: each step lies within a page of the
   * device's addresses, and the first may begin inside one. Where the hardware wants no other to, tables of whole pages keep
   * to that. Mirrors `for_each_sgtable_dma_page()`.
   * @param pageSize bytes in a page of the device's: a power of two from 4096 to 2^30. Default: the table's
   * @throws DMA_INVALID_ARGUMENT; at each step, as {@link dmaAddressAt}
   * @example
   * ```ts
   * for (const { dmaAddress } of mapped.dmaPages(4096)) prpList.push(dmaAddress)
   * ```
   */
  dmaPages(pageSize = this.space.pageSize): IterableIterator<DmaPage> {
    return new DmaPageIterator(this, pageSize)
  }

  /** Lends the bytes to the CPU, until the next sync for the device. @throws DMA_NOT_MAPPED */
  syncForCpu(): void {
    this.assertMapped(DmaMisuse.SyncUnknown)
    this.placement.sync('syncForCpu')
    this.cpuOwns = true
    this.records?.synced('syncForCpu')
  }

  /** Gives the bytes back to the device. @throws DMA_NOT_MAPPED */
  syncForDevice(): void {
    this.assertMapped(DmaMisuse.SyncUnknown)
    this.placement.sync('syncForDevice')
    this.cpuOwns = false
    this.records?.synced('syncForDevice')
  }

  /**
   * Copies from the mapped bytes into a buffer. Mirrors `sg_pcopy_to_buffer()`.
   * @param skip bytes to leave out at the front
   * @returns bytes copied: fewer than the buffer takes where the mapped ones end before
   * @throws DMA_DEVICE_OWNS while the device owns them; DMA_NOT_MAPPED after the unmap; what {@link SgTable.copyToBuffer}
   *   throws
   */
  copyToBuffer(buffer: ArrayBufferView, skip = 0): number {
    this.assertCpuOwns()
    return copyToBuffer(this.space, this.segments, buffer, skip)
  }

  /** Copies from a buffer into the mapped bytes. Mirrors `sg_pcopy_from_buffer()`. @throws as {@link copyToBuffer} */
  copyFromBuffer(buffer: ArrayBufferView, skip = 0): number {
    this.assertCpuOwns()
    return copyFromBuffer(this.space, this.segments, buffer, skip)
  }

  /**
   * Takes the bytes back from the device for good.
   * @throws DMA_NOT_MAPPED the second time, and where a region, memory or device was closed before; what was left is
   *   given back all the same; DMA_ATTRIBUTE
   */
  unmap(attributes: DmaAttributes = 0): void {
    assertAttributes('dmaUnmapSgtable', attributes, NOT_FOR_TABLES)
    if (this.ended) this.assertMapped(DmaMisuse.UnmapUnknown)
    const whole = this.placement.whole
    this.end(attributes)
    if (!whole) throw notMapped(this.what, this.device)
  }

  /** Unmaps where that has not been done. */
  [Symbol.dispose](): void {
    if (!this.ended) this.end(0)
  }

  /** What errors call it. */
  protected abstract readonly what: string

  /** Whether it is a part of a table. @internal */
  get isPart(): boolean {
    return false
  }

  /** The error for a misuse of it, with what a checker knows. @internal */
  misused(misuse: DmaMisuse, error: DmaError, expected: string, actual: string): DmaError {
    return misusedTable(this.device, this.records, misuse, error, { expected, actual })
  }

  /** @param misuse what it is to go on without, where that is one that a checker tells of @throws DMA_NOT_MAPPED */
  protected assertMapped(misuse?: DmaMisuse): void {
    if (this.mapped) return
    const error = notMapped(this.what, this.device)
    throw misuse === undefined ? error : this.misused(misuse, error, 'a live mapping', 'one that has ended')
  }

  /** @throws as {@link dmaAddressAt}, for a part of a segment */
  protected check(i: number): void {
    if (this.device.dmaReady !== true) this.refuse()
    if (this.ended || !this.placement.whole) throw notMapped(this.what, this.device)
    if (i >>> 0 !== i || i >= this.count) throw outside(i, this.count)
  }

  /** For a subclass: it is unmapped, or could not be. */
  protected left(): void {}

  private assertCpuOwns(): void {
    this.assertMapped()
    if (!this.cpuOwns) throw deviceOwns()
  }

  private refuse(): void {
    if (this.device.closed) throw notMapped(this.what, this.device)
    this.device.assertReady()
  }

  private enter(ledger: NonNullable<DmaDevice['ledger']>): TableEntries {
    try {
      return new TableEntries(ledger, this)
    } catch (error) {
      this.ended = true
      this.placement.release(DmaAttribute.SkipCpuSync)
      throw error
    }
  }

  /** It is mapped no longer, as far as the device's ledger goes. */
  protected leaveLedger(): void {
    this.records?.end()
  }

  private end(attributes: DmaAttributes): void {
    this.ended = true
    try {
      this.placement.release(attributes)
    } finally {
      // The records end when the bytes are back, and before the table can be another.
      this.leaveLedger()
      this.left()
    }
  }
}

/** Steps through segments, and allocates nothing on the way. */
export function iterateSegments(segments: DmaSegments): Iterator<DmaSegment> {
  const cursor = { index: -1, dmaAddress: 0 as unknown as DmaAddress, dmaLength: 0 }
  const step = { done: false, value: cursor }
  const end = { done: true as const, value: undefined }
  return {
    next() {
      if (cursor.index + 1 >= segments.nents) return end
      cursor.index++
      cursor.dmaAddress = segments.dmaAddressAt(cursor.index)
      cursor.dmaLength = segments.dmaLengthAt(cursor.index)
      return step as { done: false; value: DmaSegment }
    },
  }
}

/** The kernel leaves entries from `nents` on poisoned. */
export function outside(i: number, nents: number): DmaError {
  return new DmaError('DMA_RANGE', `segment ${String(i)} of the ${nents} that the device sees`, {
    hint: 'loop to nents, which counts what the device sees; origNents counts the pieces in memory',
  })
}
