import {
  assertCoherent,
  closeAll,
  DmaAttribute,
  type DmaAttributes,
  type DmaDevice,
  type DmaMemory,
  type DmaRegion,
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
import { ApartMapper } from './map-apart'
import { notDmaMemory, wrongKernel } from './map-errors'
import { mapFrames } from './map-frames'
import { mapInRegion } from './map-in-region'
import { assertInside, Pending, regionOf, startOf } from './map-source'
import { mergeSegments, type SegmentRules } from './merge-segments'
import type { PhysicalHold } from './physical-hold'

const NO_ADDRESSES = new Float64Array(0)
const NO_LENGTHS = new Uint32Array(0)
/** Arrays that are shorter are not worth shortening. */
const LONG = 128
const NO_SINGLES: readonly (StreamingMapping | undefined)[] = []
/** A table mostly lies in few regions: among so many that it met last one is looked for. */
const REMEMBERED = 8

/** Where a device finds the segments of a table, and what has to be undone. Its arrays are used again and again. */
export class SegmentPlacement {
  addresses = NO_ADDRESSES
  lengths = NO_LENGTHS
  /** How many of the arrays' elements the device sees. */
  nents = 0
  /** Allocated for the device in one piece, of whatever length. */
  allocated = false
  /** The arrays were shortened: they fit no other table. */
  trimmed = false
  private readonly device: DmaDevice
  readonly rules: SegmentRules
  private readonly layout: IommuLayout
  private direction: TransferDirection = 0
  /** Those that hold some segment. */
  private readonly regions: DmaRegion[] = []
  private range: IommuRange | undefined = undefined
  /** What holds pages at their physical addresses. */
  private hold: PhysicalHold | undefined = undefined
  /** By segment as the device sees it. Where there is one nothing is joined. */
  private singles = NO_SINGLES
  /** What `resolve` found: some segments are to be packed, some to be mapped each by itself. */
  private somePacked = false
  private someApart = false
  /** How much had been taken from the device when all of this was found to be there; -1 before that. */
  private wholeAt = -1

  constructor(device: DmaDevice, rules: SegmentRules) {
    this.device = device
    this.rules = rules
    this.layout = new IommuLayout(rules.granule > 0 ? rules.granule : device.kernel.pageSize, rules.boundary)
  }

  /** Whether the device still has all that it was given. Looked at again only when something was taken from it. */
  get whole(): boolean {
    return this.wholeAt === this.device.disowned || this.look()
  }

  /** Whether nothing is mapped: another table may have it. */
  get empty(): boolean {
    return this.nents === 0
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
      this.hold = mapFrames(this.device, space, segments, count, this.addresses, this.lengths)
      this.nents = count
    } else this.placeMemory(space, segments, count, attributes)
    if (ops.coherent || hasAttribute(attributes, DmaAttribute.SkipCpuSync)) return
    try {
      this.syncInPlace('syncForDevice')
    } catch (error) {
      this.giveUp()
      throw error
    }
  }

  /** Takes a region for one segment, whatever its length. */
  placeWhole(region: DmaRegion, byteLength: number): void {
    this.direction = region.direction
    this.addresses = Float64Array.of(toNumber(region.dmaAddress))
    this.lengths = Uint32Array.of(byteLength)
    this.nents = 1
    this.allocated = true
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
    const { singles, range, hold } = this
    const { coherent } = this.device.ops
    if (range === undefined && hold === undefined && singles.length === 0 && coherent) {
      this.forget()
      return
    }
    const steps: (() => void)[] = []
    if (!coherent && !hasAttribute(attributes, DmaAttribute.SkipCpuSync) && this.whole) {
      const { nents } = this
      steps.push(() => this.syncInPlace('syncForCpu', nents, singles))
    }
    for (const single of singles) {
      if (single?.mapped) steps.push(() => single.unmap(attributes))
    }
    if (range) steps.push(() => range.close())
    if (hold) steps.push(() => hold.close())
    this.forget()
    if (steps.length > 0) closeAll(steps)
  }

  private placeMemory(space: PageSpace, segments: Segments, count: number, attributes: DmaAttributes): void {
    this.resolve(space, segments, count, hasAttribute(attributes, DmaAttribute.RequireCoherent))
    const { device, layout, direction, addresses } = this
    try {
      if (this.somePacked) {
        this.range = packSegments(device, layout, space, segments, count, direction, addresses)
      }
      if (this.someApart) this.mapApart(space, segments, count, attributes)
    } catch (error) {
      this.giveUp()
      throw error
    }
    if (!this.someApart) this.nents = mergeSegments(this.addresses, this.lengths, count, this.rules)
  }

  private forget(): void {
    this.nents = 0
    this.clearRegions()
    this.singles = NO_SINGLES
    this.range = undefined
    this.hold = undefined
    this.wholeAt = -1
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
    const { iommu, bouncer, physical } = device.ops
    const { pageSize } = device.kernel
    this.somePacked = false
    this.someApart = false
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
        this.someApart = true
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
        this.someApart = true
      } else if (inPlace !== undefined && bouncer) {
        this.note(region!)
        addresses[i] = inPlace
      } else {
        addresses[i] = iommu ? Pending.Packed : physical === true ? Pending.Physical : Pending.Single
        if (iommu) this.somePacked = true
        else this.someApart = true
      }
      lengths[i++] = byteLength
    }
  }

  private clearRegions(): void {
    // Setting the length costs more than all the rest of a small table.
    while (this.regions.length > 0) this.regions.pop()
  }

  private note(region: DmaRegion): void {
    const { regions } = this
    const { length } = regions
    for (let i = length - 1; i >= 0 && i >= length - REMEMBERED; i--) if (regions[i] === region) return
    regions.push(region)
  }

  private look(): boolean {
    const { regions, singles } = this
    for (let i = 0; i < regions.length; i++) if (regions[i]!.closed) return false
    if (this.range?.closed === true || this.hold?.closed === true) return false
    for (let i = 0; i < singles.length; i++) if (singles[i]?.mapped === false) return false
    this.wholeAt = this.device.disowned
    return true
  }

  private mapApart(space: PageSpace, segments: Segments, count: number, attributes: DmaAttributes): void {
    const { device, direction, addresses } = this
    const apart = new ApartMapper({ device, space, segments, count, direction, attributes, addresses })
    apart.map()
    this.addresses = apart.addresses
    this.lengths = apart.lengths
    this.singles = apart.singles
    this.hold = apart.hold
    this.nents = apart.nents
  }

  private syncInPlace(
    verb: 'syncForCpu' | 'syncForDevice',
    nents = this.nents,
    singles: readonly (StreamingMapping | undefined)[] = this.singles,
  ): void {
    const { device, addresses, lengths } = this
    for (let i = 0; i < nents; i++) {
      if (singles[i] === undefined) {
        device.ops[verb]?.(device, addresses[i] as never, lengths[i]!, this.direction)
      }
    }
  }
}
