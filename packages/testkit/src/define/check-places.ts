import { invalidArgument } from '../errors'
import type { RegisterDescription } from './description'

/** Bytes of a BAR that something takes up. */
export interface Place {
  readonly name: string
  readonly start: number
  /** The first byte after it. */
  readonly end: number
}

/** Where a register is, or each register of an array. */
export function placesOf(name: string, { offset, width, count, stride }: RegisterDescription): Place[] {
  const byteLength = width / 8
  if (count === undefined) return [{ name, start: offset, end: offset + byteLength }]
  return Array.from({ length: count }, (_, index) => {
    const start = offset + index * (stride ?? byteLength)
    return { name: `${name}[${index}]`, start, end: start + byteLength }
  })
}

/** @throws `DMA_INVALID_ARGUMENT` where two places share a byte, or one is not inside */
export function checkNoOverlap(
  places: readonly Place[],
  byteLength: number,
  owner: string,
  whole = 'the BAR',
): void {
  const sorted = [...places].sort((a, b) => a.start - b.start)
  for (const [at, place] of sorted.entries()) {
    if (place.end > byteLength) {
      invalidArgument(
        `${owner}: ${place.name} ends at ${hex(place.end)}, beyond the ${hex(byteLength)} bytes of ${whole}`,
        `make ${whole} longer, or give a smaller offset`,
      )
    }
    const before = sorted[at - 1]
    if (before !== undefined && before.end > place.start) {
      invalidArgument(
        `${owner}: ${before.name} (${hex(before.start)} to ${hex(before.end - 1)}) and ${place.name} (${hex(place.start)} to ${hex(place.end - 1)}) overlap`,
        'give one of them another offset, or make one of both, with fields',
      )
    }
  }
}

function hex(value: number): string {
  return `0x${value.toString(16)}`
}
