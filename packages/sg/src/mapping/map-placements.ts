import type { DmaDevice } from '@linux-dma/core'
import { SegmentPlacement } from './map-placement'
import type { SegmentRules } from './merge-segments'

/** What is kept is 12 bytes each: 3 MiB. */
const LONGEST_KEPT = 1 << 18
/** So little is taken for a table of any size. */
const SMALL = 64

/** One for each device, from a table that was unmapped: the next one then needs no memory of its own. */
const spares = new WeakMap<DmaDevice, SegmentPlacement>()

/** Room for a table of `count` segments. @internal */
export function takePlacement(device: DmaDevice, rules: SegmentRules, count: number): SegmentPlacement {
  const spare = spares.get(device)
  const fits = spare !== undefined && spare.addresses.length <= Math.max(2 * count, SMALL)
  if (!fits || !sameRules(spare.rules, rules)) return new SegmentPlacement(device, rules)
  spares.delete(device)
  return spare
}

/** Gives it back, with nothing mapped in it. @internal */
export function givePlacement(device: DmaDevice, placement: SegmentPlacement): void {
  if (!placement.empty) return
  if (placement.addresses.length <= LONGEST_KEPT && !placement.trimmed && !device.closed) {
    spares.set(device, placement)
  }
}

function sameRules(one: SegmentRules, other: SegmentRules): boolean {
  return (
    one.granule === other.granule &&
    one.boundary === other.boundary &&
    one.maxSegmentSize === other.maxSegmentSize
  )
}
