import { type DmaDevice, type DmaMemory, type TransferDirection, toNumber } from '@linux-dma/core'
import { IommuLayout } from '../mapping/iommu-layout'
import type { Segments } from '../table/segments'
import { type SgTable, segmentsOf, spaceOf } from '../table/sg-table'
import type { CheckedLimits } from './chunk-limits'

/** What is known of where a device will find a piece before it is mapped. */
enum Place {
  /** In a region: the address itself. */
  Known = 0,
  /** In a range of the IOMMU's that is yet to be taken: how far from its start. */
  Packed = 1,
  /** Nothing: it is copied, or lies wherever it lies. */
  Unknown = 2,
}

/** Pieces at addresses that nobody knows before are cut no finer: these stay within a page, or a slot. */
const FINEST = 2048
const ANYWHERE = 2 ** 53

/**
 * Cuts a table into runs of pieces that a device takes at a time. It does the arithmetic of mapping beforehand, so that
 * the limits hold once a run is mapped.
 */
export class ChunkCutter {
  private readonly device: DmaDevice
  private readonly table: SgTable
  private readonly direction: TransferDirection
  private readonly limits: CheckedLimits
  /** Bytes from one boundary to the next. */
  private readonly span: number
  private readonly joins: boolean
  private readonly layout: IommuLayout
  /** Where the next run begins: a segment, and bytes of it that earlier runs had. */
  private index = 0
  private begin = 0
  private lastIndex = 0
  private lastBegin = 0
  /** Pieces of unknown place lie within multiples of this, from their buffer's start: a power of two. */
  private finest = ANYWHERE
  /** A multiple that no piece is longer than. */
  private readonly longest: number
  /** The region that the last piece lay in: pieces mostly follow each other. Bytes are of the memory. */
  private windowPage = 0
  private windowStart = 0
  private windowEnd = -1
  private windowAddress = 0
  // The piece that is being looked at.
  private place = Place.Unknown
  private size = 0
  private address = 0

  constructor(device: DmaDevice, table: SgTable, direction: TransferDirection, limits: CheckedLimits) {
    this.device = device
    this.table = table
    this.direction = direction
    this.limits = limits
    const { granule, boundary, maxSegmentSize } = limits.rules
    this.span = boundary + 1
    this.joins = granule > 0 && device.ops.bouncer === undefined
    this.layout = new IommuLayout(granule > 0 ? granule : device.kernel.pageSize, boundary)
    this.longest = 2 ** Math.ceil(Math.log2(Math.min(maxSegmentSize, limits.maxBytes)))
  }

  /**
   * Fills `pieces` with the next run.
   * @returns bytes in it, 0 after the last one
   */
  cut(pieces: Segments): number {
    const { layout, joins } = this
    const { maxBytes, maxSegments, rules } = this.limits
    const { pages, offsets, lengths, count } = segmentsOf(this.table)
    const { pageSize } = spaceOf(this.table)
    pieces.count = 0
    layout.clear()
    // A region may have been closed since the last run.
    this.windowEnd = -1
    this.lastIndex = this.index
    this.lastBegin = this.begin
    let bytes = 0
    let nents = 0
    // Of the segment that the device sees last: what it may be joined with.
    let lastPlace = Place.Unknown
    let lastEnd = -1
    let lastLength = 0
    while (this.index < count && bytes < maxBytes) {
      const left = lengths[this.index]! - this.begin
      let page = pages[this.index]!
      let byteOffset = offsets[this.index]! + this.begin
      if (byteOffset >= pageSize) {
        page += Math.floor(byteOffset / pageSize)
        byteOffset %= pageSize
      }
      this.locate(page, byteOffset, Math.min(left, maxBytes - bytes, rules.maxSegmentSize))
      const { place, size, address } = this
      const joined =
        joins &&
        place === lastPlace &&
        address === lastEnd &&
        lastLength + size <= rules.maxSegmentSize &&
        this.beyond(address, rules.granule) === 0 &&
        this.beyond(address, this.span) !== 0
      if (!joined) {
        if (nents === maxSegments) break
        nents++
        lastLength = 0
      }
      if (place === Place.Packed) layout.add(this.beyond(address, rules.granule), size)
      pieces.push(page, byteOffset, size)
      lastPlace = place
      lastEnd = address + size
      lastLength += size
      bytes += size
      this.begin += size
      if (this.begin === lengths[this.index]) {
        this.begin = 0
        this.index++
      }
    }
    return bytes
  }

  /** Goes back to the start of the last run, to cut it finer. @returns false where that has an end */
  finer(): boolean {
    if (this.finest <= FINEST) return false
    this.finest = this.finest === ANYWHERE ? this.longest : this.finest / 2
    this.back()
    return true
  }

  /** Goes back to the start of the last run, to cut it once more. */
  back(): void {
    this.index = this.lastIndex
    this.begin = this.lastBegin
  }

  /** Where the device will find a piece, and how long it can be there. */
  private locate(page: number, byteOffset: number, longest: number): void {
    const { span } = this
    const space = spaceOf(this.table)
    this.size = longest
    const inWindow = (page - this.windowPage) * space.pageSize + byteOffset
    if (inWindow >= this.windowStart && inWindow + longest <= this.windowEnd) {
      this.placeAt(this.windowAddress + inWindow)
      return
    }
    if (space.physical) {
      this.placeAt(page * space.pageSize + byteOffset)
      return
    }
    const source = space.sourceOf(page)
    const start = (page - source.firstPage) * space.pageSize + byteOffset
    // A shorter piece may lie in a region where a longer one reaches out of it.
    for (;;) {
      const { size } = this
      const address = source.memory ? this.addressInRegion(source.memory, source.firstPage, start, size) : -1
      if (address >= 0) {
        this.placeAt(address)
        return
      }
      const { granule } = this.limits.rules
      if (this.joins && source.memory) {
        const inner = start % granule
        this.place = Place.Packed
        this.size = Math.min(size, span > granule ? span - inner : span - (inner % span))
        this.address = this.layout.startOf(inner, this.size) + inner
      } else {
        this.place = Place.Unknown
        this.size = Math.min(size, this.finest - (start % this.finest))
        this.address = -1
      }
      if (this.size === size || !source.memory) return
    }
  }

  private placeAt(address: number): void {
    this.place = this.device.ops.bouncer ? Place.Unknown : Place.Known
    this.size = Math.min(this.size, this.span - this.beyond(address, this.span))
    // Where it may be copied after all, a page at a time or less has to do as well.
    if (this.place === Place.Unknown) this.size = Math.min(this.size, this.finest - (address % this.finest))
    this.address = address
  }

  private addressInRegion(memory: DmaMemory, firstPage: number, start: number, byteLength: number): number {
    for (const region of memory.registered) {
      if (!region.covers(this.device, start, byteLength, this.direction)) continue
      this.windowPage = firstPage
      this.windowStart = region.memoryOffset
      this.windowEnd = region.memoryOffset + region.byteLength
      this.windowAddress = toNumber(region.dmaAddress) - region.memoryOffset
      return this.windowAddress + start
    }
    return -1
  }

  /** Bytes from the last multiple of a power of two: faster than `%` of numbers above 2^31. */
  private beyond(address: number, power: number): number {
    return address - Math.floor(address / power) * power
  }
}
