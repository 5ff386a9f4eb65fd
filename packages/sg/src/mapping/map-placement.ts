import {
  assertCoherent,
  closeAll,
  DmaAttribute,
  type DmaAttributes,
  type DmaDevice,
  type DmaMemory,
  type DmaRegion,
  dmaMapSingle,
  hasAttribute,
  type StreamingMapping,
  type TransferDirection,
  toNumber,
} from '@linux-dma/core'
import type { PageSpace } from '../table/page-space'
import type { Segments } from '../table/segments'
import { IommuLayout } from './iommu-layout'
import { packSegments } from './iommu-pack'
import type { IommuRange } from './iommu-range'
import { asMapError, notDmaMemory, wrongKernel } from './map-errors'
import { mapFrames } from './map-frames'
import { mapInRegion } from './map-in-region'
import { assertInside, Pending, regionOf, startOf } from './map-source'
import { mergeSegments, type SegmentRules } from './merge-segments'

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
    if (space.physical) {
      mapFrames(this.device, space, segments, count, this.addresses, this.lengths)
      this.nents = count
    } else this.placeMemory(space, segments, count, attributes)
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
      if (this.somePacked) {
        this.range = packSegments(
          this.device,
          this.layout,
          space,
          segments,
          count,
          this.direction,
          this.addresses,
        )
      }
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
        const next = mapInRegion(space, source, segments, i, count, region, this.rules, addresses, lengths)
        if (next > i) {
          this.note(region)
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

  private clearRegions(): void {
    // Setting the length costs more than all the rest of a small table.
    while (this.regions.length > 0) this.regions.pop()
  }

  private note(region: DmaRegion): void {
    if (this.regions.length === 0 || !this.regions.includes(region)) this.regions.push(region)
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

  private syncInPlace(verb: 'syncForCpu' | 'syncForDevice'): void {
    const { device, addresses, lengths, singles } = this
    for (let i = 0; i < this.nents; i++) {
      if (singles[i] === undefined) {
        device.ops[verb]?.(device, addresses[i] as never, lengths[i]!, this.direction)
      }
    }
  }
}
