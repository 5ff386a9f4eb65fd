/**
 * Lays segments out one after the other in one range of IO virtual addresses, as the kernel does: each in whole pages
 * of the IOMMU, and with a gap before one that would cross a segment boundary.
 */
export class IommuLayout {
  /** Bytes of the range so far: a multiple of the granule. */
  byteLength = 0
  private readonly granule: number
  /** Bytes from one boundary to the next. */
  private readonly span: number

  /**
   * @param granule bytes in the IOMMU's smallest page, a power of two
   * @param boundary address lines within which a segment stays: 2^n - 1
   */
  constructor(granule: number, boundary: number) {
    this.granule = granule
    this.span = boundary + 1
  }

  /**
   * Adds a segment.
   * @param inner bytes from the start of its first page of the IOMMU to its first byte
   * @param byteLength 1 or more
   * @returns where in the range its first page begins
   */
  add(inner: number, byteLength: number): number {
    const start = this.startOf(inner, byteLength)
    this.byteLength = start + this.pagesOf(inner, byteLength)
    return start
  }

  /** Where in the range a segment's first page would begin, if it was added now. */
  startOf(inner: number, byteLength: number): number {
    const used = this.byteLength % this.span
    const room = used === 0 ? 0 : this.span - used
    return room > 0 && room < this.pagesOf(inner, byteLength) ? this.byteLength + room : this.byteLength
  }

  /** Bytes in the whole pages that a segment touches. */
  pagesOf(inner: number, byteLength: number): number {
    return Math.ceil((inner + byteLength) / this.granule) * this.granule
  }

  /**
   * What the range's start has to be a multiple of, so that boundaries lie where the layout has them.
   * @param highest the highest address that the device can put on the bus
   */
  alignment(highest: number): number {
    // No address there is has a boundary to cross.
    if (this.span > highest) return this.granule
    let power = this.granule
    while (power < this.byteLength && power < this.span) power *= 2
    return power
  }

  /** Begins again, with nothing. */
  clear(): void {
    this.byteLength = 0
  }
}
