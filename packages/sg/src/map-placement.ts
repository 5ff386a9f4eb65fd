import {
  assertCoherent,
  closeAll,
  DmaAttribute,
  type DmaAttributes,
  type DmaDevice,
  DmaError,
  type DmaMemory,
  type DmaRegion,
  dmaMapSingle,
  hasAttribute,
  type StreamingMapping,
  type TransferDirection,
  toNumber,
} from '@linux-dma/core'
import { IommuLayout } from './iommu-layout'
import { IommuRange } from './iommu-range'
import { asMapError, notDmaMemory, physicalAboveMask, physicalRefused, wrongKernel } from './map-errors'
import { mergeSegments, type SegmentRules } from './merge-segments'
import type { PageSource, PageSpace } from './page-space'
import type { Segments } from './segments'

/** Stands for an address until there is one. */
enum Pending {
  /** To be laid out in a range of the IOMMU's. */
  Packed = -1,
  /** To be mapped by itself: copied, or on a path without an IOMMU. */
  Single = -2,
}

const NO_ADDRESSES = new Float64Array(0)
const NO_LENGTHS = new Uint32Array(0)
/** Arrays that are shorter are not worth shortening. */
const LONG = 128
const NO_SINGLES: (StreamingMapping | undefined)[] = []

/** Where a device finds the segments of a table, and what has to be undone. Its arrays are used again and again. */
export class SegmentPlacement {
  addresses = NO_ADDRESSES
  lengths = NO_LENGTHS
  /** How many of the arrays' elements the device sees. */
  nents = 0
  /** The arrays were shortened: they fit no other table. */
  trimmed = false
  private readonly device: DmaDevice
  readonly rules: SegmentRules
  private readonly layout: IommuLayout
  private direction: TransferDirection = 0
  /** Those that hold some segment. */
  private readonly regions: DmaRegion[] = []
  private range: IommuRange | undefined = undefined
  /** By segment. Where there is one nothing is joined, and the n-th that the device sees is the n-th in memory. */
  private singles = NO_SINGLES
  /** What `resolve` found: some segments are to be packed, some to be mapped by themselves. */
  private somePacked = false
  private someSingle = false

  constructor(device: DmaDevice, rules: SegmentRules) {
    this.device = device
    this.rules = rules
    this.layout = new IommuLayout(rules.granule > 0 ? rules.granule : device.kernel.pageSize, rules.boundary)
  }

  /** Whether the device still has all that it was given. */
  get whole(): boolean {
    const { regions, range, singles } = this
    for (let i = 0; i < regions.length; i++) if (regions[i]!.closed) return false
    if (range?.closed === true) return false
    return singles.length === 0 || singles.every((single) => single === undefined || single.mapped)
  }

  /**
   * Gives the first `count` segments to the device.
   * @throws what `dmaMapSgtable` says; nothing of this call stays mapped then
   */
  place(
    space: PageSpace,
    segments: Segments,
    count: number,
    direction: TransferDirection,
    attributes: DmaAttributes,
  ): void {
    this.direction = direction
    const { ops } = this.device
    if (hasAttribute(attributes, DmaAttribute.RequireCoherent)) assertCoherent(this.device, false)
    if (this.addresses.length < count) {
      this.addresses = new Float64Array(count)
      this.lengths = new Uint32Array(count)
    }
    if (space.physical) this.placePhysical(space, segments, count)
    else this.placeMemory(space, segments, count, attributes)
    if (!ops.coherent && !hasAttribute(attributes, DmaAttribute.SkipCpuSync))
      this.syncInPlace('syncForDevice')
  }

  /** Takes a region for one segment, whatever its length. */
  placeWhole(region: DmaRegion, byteLength: number): void {
    this.direction = region.direction
    this.addresses = Float64Array.of(toNumber(region.dmaAddress))
    this.lengths = Uint32Array.of(byteLength)
    this.nents = 1
    this.note(region)
  }

  /** Whether a segment, as the device sees it, crosses a boundary. */
  crosses(boundary: number): boolean {
    const span = boundary + 1
    for (let i = 0; i < this.nents; i++) {
      if ((this.addresses[i]! % span) + this.lengths[i]! > span) return true
    }
    return false
  }

  /**
   * Shortens the arrays to what is used of them, where that is little.
   * @returns what the long ones are left with
   */
  trim(): SegmentPlacement | undefined {
    if (this.nents * 2 > this.addresses.length || this.addresses.length < LONG) return undefined
    this.trimmed = true
    const rest = new SegmentPlacement(this.device, this.rules)
    rest.addresses = this.addresses
    rest.lengths = this.lengths
    this.addresses = this.addresses.slice(0, this.nents)
    this.lengths = this.lengths.slice(0, this.nents)
    return rest
  }

  /** Makes what one side wrote visible to the other. */
  sync(verb: 'syncForCpu' | 'syncForDevice'): void {
    for (const single of this.singles) single?.[verb]()
    if (!this.device.ops.coherent) this.syncInPlace(verb)
  }

  /** Takes everything from the device, also what is left after a part was taken away. Every part is tried. */
  release(attributes: DmaAttributes): void {
    const { singles, range } = this
    if (range === undefined && singles.length === 0 && this.device.ops.coherent) {
      this.forget()
      return
    }
    const skip = hasAttribute(attributes, DmaAttribute.SkipCpuSync)
    if (!skip && !this.device.ops.coherent && this.whole) this.syncInPlace('syncForCpu')
    const steps: (() => void)[] = []
    for (const single of singles) {
      if (single?.mapped) steps.push(() => single.unmap(attributes))
    }
    this.forget()
    if (range) steps.push(() => range.close())
    if (steps.length > 0) closeAll(steps)
  }

  private placeMemory(space: PageSpace, segments: Segments, count: number, attributes: DmaAttributes): void {
    this.resolve(space, segments, count, hasAttribute(attributes, DmaAttribute.RequireCoherent))
    try {
      if (this.somePacked) this.pack(space, segments, count)
      if (this.someSingle) this.mapSingles(space, segments, count, attributes)
    } catch (error) {
      this.giveUp()
      throw error
    }
    this.nents = this.someSingle ? count : mergeSegments(this.addresses, this.lengths, count, this.rules)
  }

  private forget(): void {
    this.nents = 0
    this.clearRegions()
    this.singles = NO_SINGLES
    this.range = undefined
  }

  /** After a failure, which must not be hidden by another. */
  private giveUp(): void {
    try {
      this.release(DmaAttribute.SkipCpuSync)
    } catch {
      // The memory is in quarantine, which says why by itself.
    }
  }

  /** Addresses of what lies in regions; for the rest, how it is to be mapped. Nothing has happened when it throws. */
  private resolve(space: PageSpace, segments: Segments, count: number, requireCoherent: boolean): void {
    const { device, addresses, lengths } = this
    const { iommu, bouncer } = device.ops
    const { pageSize } = device.kernel
    this.somePacked = false
    this.someSingle = false
    let known: DmaMemory | undefined
    this.clearRegions()
    let i = 0
    while (i < count) {
      const source = space.sourceOf(segments.pages[i]!)
      const start = startOf(space, source, segments, i)
      const byteLength = segments.lengths[i]!
      const { memory } = source
      memory?.assertOpen()
      assertInside(i, start, byteLength, memory ? memory.byteLength : source.bytes.byteLength)
      if (!memory) {
        if (!bouncer) throw notDmaMemory(i)
        if (requireCoherent) assertCoherent(device, true)
        addresses[i] = Pending.Single
        this.someSingle = true
        lengths[i++] = byteLength
        continue
      }
      if (memory !== known) {
        if (memory.kernel !== device.kernel) throw wrongKernel(device, memory)
        known = memory
      }
      const region = regionOf(memory, device, start, byteLength, this.direction)
      if (region && !bouncer) {
        const next = this.placeInRegion(space, source, segments, i, count, region)
        if (next > i) {
          i = next
          continue
        }
      }
      const inPlace = region ? toNumber(region.dmaAddress) - region.memoryOffset + start : undefined
      if (bouncer?.needed(device, inPlace as never, start % pageSize, byteLength)) {
        if (requireCoherent) assertCoherent(device, true)
        addresses[i] = Pending.Single
        this.someSingle = true
      } else if (inPlace !== undefined && bouncer) {
        this.note(region!)
        addresses[i] = inPlace
      } else {
        addresses[i] = iommu ? Pending.Packed : Pending.Single
        if (iommu) this.somePacked = true
        else this.someSingle = true
      }
      lengths[i++] = byteLength
    }
  }

  /**
   * Addresses of segments for as long as they lie in one region and cross no boundary: pure arithmetic.
   * @returns the first segment that does not
   */
  private placeInRegion(
    space: PageSpace,
    source: PageSource,
    segments: Segments,
    from: number,
    count: number,
    region: DmaRegion,
  ): number {
    const { addresses, lengths } = this
    const { pages, offsets, lengths: byteLengths } = segments
    const { pageSize } = space
    const { firstPage } = source
    const low = region.memoryOffset
    const high = low + region.byteLength
    const toAddress = toNumber(region.dmaAddress) - low
    // Without an IOMMU the kernel does not look at boundaries either; and most regions have none in them.
    const { granule, boundary } = this.rules
    const perBoundary = 1 / (boundary + 1)
    const looks =
      granule > 0 &&
      Math.floor((toAddress + low) * perBoundary) !== Math.floor((toAddress + high - 1) * perBoundary)
    let i = from
    for (; i < count; i++) {
      // Of another buffer's page it is negative, or far beyond the end: no two have neighbouring numbers.
      const start = (pages[i]! - firstPage) * pageSize + offsets[i]!
      const byteLength = byteLengths[i]!
      if (start < low || start + byteLength > high || byteLength === 0) break
      const address = toAddress + start
      if (
        looks === true &&
        Math.floor(address * perBoundary) !== Math.floor((address + byteLength - 1) * perBoundary)
      ) {
        break
      }
      addresses[i] = address
      lengths[i] = byteLength
    }
    if (i > from) this.note(region)
    return i
  }

  private clearRegions(): void {
    // Setting the length costs more than all the rest of a small table.
    while (this.regions.length > 0) this.regions.pop()
  }

  private note(region: DmaRegion): void {
    if (this.regions.length === 0 || !this.regions.includes(region)) this.regions.push(region)
  }

  /** Packs what is in no region into one range, with one map for each run that is contiguous in memory as well. */
  private pack(space: PageSpace, segments: Segments, count: number): void {
    const { device, addresses, layout } = this
    const iommu = device.ops.iommu!
    const { granule } = iommu
    layout.clear()
    for (let i = 0; i < count; i++) {
      if (addresses[i] !== Pending.Packed) continue
      const start = startOf(space, space.sourceOf(segments.pages[i]!), segments, i)
      layout.add(start % granule, segments.lengths[i]!)
    }
    const highest = Number(device.dmaMask)
    const range = new IommuRange(device, iommu, layout.byteLength, layout.alignment(highest))
    this.range = range
    const base = toNumber(range.dmaAddress)
    layout.clear()
    let memory: DmaMemory | undefined
    let runStart = 0
    let runRangeOffset = 0
    let runLength = 0
    for (let i = 0; i < count; i++) {
      if (addresses[i] !== Pending.Packed) continue
      const source = space.sourceOf(segments.pages[i]!)
      const start = startOf(space, source, segments, i)
      const inner = start % granule
      const rangeOffset = layout.add(inner, segments.lengths[i]!)
      const follows =
        source.memory === memory &&
        start - inner === runStart + runLength &&
        rangeOffset === runRangeOffset + runLength
      if (!follows) {
        if (memory) range.map(runRangeOffset, memory, runStart, runLength, this.direction)
        memory = source.memory
        runStart = start - inner
        runRangeOffset = rangeOffset
        runLength = 0
      }
      runLength = layout.byteLength - runRangeOffset
      addresses[i] = base + rangeOffset + inner
    }
    range.map(runRangeOffset, memory!, runStart, runLength, this.direction)
  }

  private mapSingles(space: PageSpace, segments: Segments, count: number, attributes: DmaAttributes): void {
    const { device, addresses, direction } = this
    this.singles = new Array(count).fill(undefined)
    for (let i = 0; i < count; i++) {
      if (addresses[i] !== Pending.Single) continue
      const source = space.sourceOf(segments.pages[i]!)
      const start = startOf(space, source, segments, i)
      const view = source.bytes.subarray(start, start + segments.lengths[i]!)
      try {
        const single = dmaMapSingle(device, view, direction, attributes)
        this.singles[i] = single
        addresses[i] = toNumber(single.dmaAddress)
      } catch (error) {
        throw asMapError(i, error)
      }
    }
  }

  private placePhysical(space: PageSpace, segments: Segments, count: number): void {
    const { device, addresses, lengths } = this
    if (device.ops.physical !== true) throw physicalRefused(device)
    const highest = Number(device.dmaMask)
    for (let i = 0; i < count; i++) {
      const address = segments.pages[i]! * space.pageSize + segments.offsets[i]!
      const byteLength = segments.lengths[i]!
      if (byteLength === 0) throw emptySegment(i)
      if (address + byteLength - 1 > highest) throw physicalAboveMask(device, i, address, byteLength)
      addresses[i] = address
      lengths[i] = byteLength
    }
    this.nents = count
  }

  private syncInPlace(verb: 'syncForCpu' | 'syncForDevice'): void {
    const { device, addresses, lengths, singles } = this
    for (let i = 0; i < this.nents; i++) {
      if (singles[i] === undefined) {
        device.ops[verb]?.(device, addresses[i] as never, lengths[i]!, this.direction)
      }
    }
  }
}

/** Offset of a segment's first byte in its source. */
function startOf(space: PageSpace, source: PageSource, segments: Segments, i: number): number {
  return (segments.pages[i]! - source.firstPage) * space.pageSize + segments.offsets[i]!
}

function regionOf(
  memory: DmaMemory,
  device: DmaDevice,
  start: number,
  byteLength: number,
  direction: TransferDirection,
): DmaRegion | undefined {
  for (const region of memory.regions) {
    if (region.covers(device, start, byteLength, direction)) return region
  }
  return undefined
}

function assertInside(i: number, start: number, byteLength: number, limit: number): void {
  if (byteLength === 0) throw emptySegment(i)
  if (start >= 0 && start + byteLength <= limit) return
  throw new DmaError('DMA_RANGE', `segment ${i} ends at byte ${start + byteLength} of a buffer of ${limit}`)
}

function emptySegment(i: number): DmaError {
  return new DmaError('DMA_INVALID_ARGUMENT', `segment ${i} is empty: there is nothing to map`)
}
