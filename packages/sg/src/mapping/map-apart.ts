import {
  closeAll,
  DmaAttribute,
  type DmaAttributes,
  type DmaDevice,
  type DmaMemory,
  dmaMapSingle,
  type StreamingMapping,
  type TransferDirection,
  toNumber,
} from '@linux-dma/core'
import type { PageSource, PageSpace } from '../table/page-space'
import type { Segments } from '../table/segments'
import { FrameWindow } from './frame-window'
import { aboveReach, asMapError } from './map-errors'
import { highestAddress, Pending, startOf } from './map-source'
import { endOfRun, type PageRun, PageRuns } from './page-runs'
import { PhysicalHold } from './physical-hold'

/** What is to be mapped: segments, of which some have addresses already. */
export interface ApartRequest {
  readonly device: DmaDevice
  readonly space: PageSpace
  readonly segments: Segments
  readonly count: number
  readonly direction: TransferDirection
  readonly attributes: DmaAttributes
  /** By segment: its address, or how it is to be mapped. */
  readonly addresses: Float64Array
}

/**
 * Maps segments that are nothing to each other: copied, mapped one by one, or, on a path of physical addresses, where their
 * pages lie. There a segment becomes as many as its pages lie in pieces, each in one.
 */
export class ApartMapper {
  /** By segment as the device sees it. */
  addresses: Float64Array<ArrayBuffer>
  lengths: Uint32Array<ArrayBuffer>
  /** Mappings of single segments, likewise. */
  readonly singles: (StreamingMapping | undefined)[] = []
  /** What keeps pages where they are. */
  hold: PhysicalHold | undefined = undefined
  nents = 0
  private readonly request: ApartRequest
  private readonly highest: number
  private readonly window = new FrameWindow()
  /** Of each memory, the pages that the table has, and then those that are pinned. */
  private readonly pages = new Map<DmaMemory, PageRuns>()
  private readonly pinned = new Map<DmaMemory, readonly PageRun[]>()
  private lowest = Number.MAX_SAFE_INTEGER
  private end = 0

  constructor(request: ApartRequest) {
    this.request = request
    this.highest = highestAddress(request.device)
    this.addresses = new Float64Array(request.count)
    this.lengths = new Uint32Array(request.count)
  }

  /** @throws ENOMEM; DMA_NOT_COHERENT; EIO with its cause. Nothing of it stays mapped then. */
  map(): void {
    const { device, space, segments, count, addresses } = this.request
    // A table is recorded whole: not what is mapped for a part of it.
    device.ledger?.pause()
    try {
      this.pinAll()
      for (let i = 0; i < count; i++) {
        const address = addresses[i]!
        const byteLength = segments.lengths[i]!
        if (address >= 0) {
          this.push(address, byteLength)
          continue
        }
        const source = space.sourceOf(segments.pages[i]!)
        const start = startOf(space, source, segments, i)
        if (address === Pending.Physical) this.mapPieces(i, source, start, byteLength)
        else this.mapSingle(i, source, start, byteLength)
      }
      if (this.end > 0) this.hold?.span(this.lowest, this.end)
    } catch (error) {
      this.giveUp()
      throw error
    } finally {
      device.ledger?.resume()
    }
  }

  /** Few pins for each memory, of all that the table has in it. */
  private pinAll(): void {
    const { device, space, segments, count, addresses } = this.request
    for (let i = 0; i < count; i++) {
      if (addresses[i] !== Pending.Physical) continue
      const source = space.sourceOf(segments.pages[i]!)
      const start = startOf(space, source, segments, i)
      const memory = source.memory!
      const runs = this.pages.get(memory) ?? new PageRuns(memory.kernel.pageSize)
      this.pages.set(memory, runs)
      runs.include(start, start + segments.lengths[i]!)
    }
    if (this.pages.size === 0) return
    this.hold = new PhysicalHold(device)
    for (const [memory, runs] of this.pages) this.pinned.set(memory, this.hold.pin(memory, runs))
  }

  /** A segment of memory, piece by piece as its frames follow each other. */
  private mapPieces(i: number, source: PageSource, start: number, byteLength: number): void {
    const memory = source.memory!
    const { pageSize } = memory.kernel
    const end = start + byteLength
    const endPage = endOfRun(this.pinned.get(memory)!, start) / pageSize
    let page = Math.floor(start / pageSize)
    let at = start
    let frame = this.frameOf(i, memory, page, endPage)
    while (at < end) {
      const address = frame * pageSize + (at % pageSize)
      let next = frame
      do {
        page++
        next++
        if (page * pageSize >= end) break
        frame = this.frameOf(i, memory, page, endPage)
      } while (frame === next)
      const pieceEnd = Math.min(page * pageSize, end)
      this.place(i, source, at, pieceEnd - at, address)
      at = pieceEnd
    }
  }

  private frameOf(i: number, memory: DmaMemory, page: number, endPage: number): number {
    try {
      return this.window.frameOf(memory, page, endPage)
    } catch (error) {
      throw asMapError(i, error)
    }
  }

  private place(i: number, source: PageSource, start: number, byteLength: number, address: number): void {
    const { device } = this.request
    const { bouncer } = device.ops
    const inReach = address + byteLength - 1 <= this.highest
    if (!inReach && !bouncer) throw aboveReach(device, i, address, byteLength)
    const bounces = bouncer?.needed(device, address as never, start % device.kernel.pageSize, byteLength)
    if (!inReach || bounces === true) {
      this.mapSingle(i, source, start, byteLength)
      return
    }
    this.lowest = Math.min(this.lowest, address)
    this.end = Math.max(this.end, address + byteLength)
    this.push(address, byteLength)
  }

  private mapSingle(i: number, source: PageSource, start: number, byteLength: number): void {
    const { device, direction, attributes } = this.request
    const view = source.bytes.subarray(start, start + byteLength)
    try {
      const single = dmaMapSingle(device, view, direction, attributes)
      this.singles[this.nents] = single
      this.push(toNumber(single.dmaAddress), byteLength)
    } catch (error) {
      throw asMapError(i, error)
    }
  }

  private push(address: number, byteLength: number): void {
    const i = this.nents++
    if (i === this.addresses.length) this.grow()
    this.addresses[i] = address
    this.lengths[i] = byteLength
    if (this.singles.length === i) this.singles.push(undefined)
  }

  private grow(): void {
    const { addresses, lengths } = this
    this.addresses = new Float64Array(addresses.length * 2)
    this.addresses.set(addresses)
    this.lengths = new Uint32Array(lengths.length * 2)
    this.lengths.set(lengths)
  }

  /** After a failure, which must not be hidden by another: memory is then in quarantine, which says why by itself. */
  private giveUp(): void {
    const steps = this.singles.map((single) => () => single?.unmap(DmaAttribute.SkipCpuSync))
    try {
      closeAll([...steps, () => this.hold?.close()])
    } catch {}
  }
}
