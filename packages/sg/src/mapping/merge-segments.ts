/** What decides how segments are laid out for a device and joined. */
export interface SegmentRules {
  /** Bytes in the IOMMU's smallest page, a power of two; 0 where segments are never joined. */
  readonly granule: number
  /** Address lines within which a segment stays: 2^n - 1. */
  readonly boundary: number
  /** Bytes in the longest segment that may come of joining, up to 2^32 - 1. */
  readonly maxSegmentSize: number
}

/**
 * Joins, in place, segments that follow each other in a device's address space, by the kernel's rule: the first ends
 * and the second begins on a page of the IOMMU, not at a segment boundary, and both together are not too long. A
 * segment that is too long from the start stays as it is, and nothing is joined to it.
 * @param addresses where each segment begins; on return where each of the joined ones does
 * @param lengths bytes in each, likewise
 * @param count segments, 1 or more
 * @returns how many are left, at the beginning of both arrays; what follows them there means nothing any more
 */
export function mergeSegments(
  addresses: Float64Array,
  lengths: Uint32Array,
  count: number,
  rules: SegmentRules,
): number {
  const { granule, boundary, maxSegmentSize } = rules
  if (granule === 0) return count
  // Powers of two: these products are exact, and much faster than a remainder of numbers above 2^31.
  const perGranule = 1 / granule
  const perBoundary = 1 / (boundary + 1)
  let last = 0
  let length = lengths[0]!
  let end = addresses[0]! + length
  for (let i = 1; i < count; i++) {
    const address = addresses[i]!
    const more = lengths[i]!
    if (
      address === end &&
      length + more <= maxSegmentSize &&
      isWhole(address * perGranule) &&
      !isWhole(address * perBoundary)
    ) {
      length += more
    } else {
      lengths[last++] = length
      addresses[last] = address
      length = more
    }
    end = address + more
  }
  lengths[last] = length
  return last + 1
}

function isWhole(value: number): boolean {
  return value === Math.floor(value)
}
