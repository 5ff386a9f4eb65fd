import { type DmaAddress, toNumber } from '@linux-dma/core'
import { assertPageSize } from '../table/max-segment'
import type { DmaSegments } from './mapped-segments'

/** A page of what a device sees, or what is used of it: the same object at each step of an iteration. */
export interface DmaPage {
  readonly dmaAddress: DmaAddress
  /** Bytes from there on, to the end of the page or of the segment. */
  readonly byteLength: number
}

/** Steps through the segments of a device by the page, and allocates nothing on the way. */
export class DmaPageIterator implements IterableIterator<DmaPage> {
  private readonly segments: DmaSegments
  private readonly pageSize: number
  private readonly cursor = { dmaAddress: 0 as unknown as DmaAddress, byteLength: 0 }
  private readonly step: IteratorYieldResult<DmaPage> = { done: false, value: this.cursor }
  private index = 0
  /** Bytes of the segment that earlier steps had. */
  private begin = 0

  /** @throws DMA_INVALID_ARGUMENT where `pageSize` is no power of two from 4096 on */
  constructor(segments: DmaSegments, pageSize: number) {
    assertPageSize(pageSize)
    this.segments = segments
    this.pageSize = pageSize
  }

  next(): IteratorResult<DmaPage, undefined> {
    const { segments, pageSize, cursor, index, begin } = this
    if (index >= segments.nents) return { done: true, value: undefined }
    const address = toNumber(segments.dmaAddressAt(index)) + begin
    const left = segments.dmaLengthAt(index) - begin
    const room = pageSize - (address - Math.floor(address / pageSize) * pageSize)
    cursor.dmaAddress = address as unknown as DmaAddress
    if (left > room) {
      cursor.byteLength = room
      this.begin = begin + room
    } else {
      cursor.byteLength = left
      this.begin = 0
      this.index = index + 1
    }
    return this.step
  }

  [Symbol.iterator](): this {
    return this
  }
}
