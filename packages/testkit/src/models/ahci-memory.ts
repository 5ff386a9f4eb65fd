import type { TransferEngine } from '../define/transfer-engine'
import type { DmaEngine } from '../models/device-model'
import { type CommandHeader, PRDT_AT, prdtEntry } from './ahci-registers'

/** A region of memory that a command's data goes to or comes from. */
export interface Region {
  readonly address: bigint
  readonly byteLength: number
  /** Whether the driver wants to be told when this one is done. */
  readonly interrupt: boolean
}

/** What is wrong with a list of regions. */
export type RegionsFault = 'unreadable' | 'odd' | 'short'

const COUNT_MASK = 0x3f_ffff
const INTERRUPT = 0x8000_0000

/** Reads the list of regions of a command that moves `byteLength` bytes, and cuts it to that length. */
export function readRegions(
  dma: DmaEngine,
  { table, prdtLength }: CommandHeader,
  byteLength: number,
): Region[] | RegionsFault {
  const bytes = new Uint8Array(prdtLength * prdtEntry.byteLength)
  if (prdtLength > 0 && !dma.read(table + BigInt(PRDT_AT), bytes)) return 'unreadable'
  const regions: Region[] = []
  let left = byteLength
  for (let index = 0; index < prdtLength && left > 0; index++) {
    const { address, count } = prdtEntry.decode(bytes.subarray(index * prdtEntry.byteLength))
    const length = (count & COUNT_MASK) + 1
    // Addresses and counts are of words.
    if (length % 2 === 1 || address % 2n === 1n) return 'odd'
    regions.push({ address, byteLength: Math.min(length, left), interrupt: (count & INTERRUPT) !== 0 })
    left -= Math.min(length, left)
  }
  return left > 0 ? 'short' : regions
}

/** Moves bytes to or from the regions, one after the other, and says how many got through. */
export function moveRegions(
  engine: TransferEngine,
  regions: readonly Region[],
  bytes: Uint8Array,
  direction: 'in' | 'out',
  done: (moved: number) => void,
): void {
  const goOn = (index: number, moved: number): void => {
    const region = regions[index]
    if (region === undefined) {
      done(moved)
      return
    }
    const part = bytes.subarray(moved, moved + region.byteLength)
    const next = (complete: boolean) => (complete ? goOn(index + 1, moved + part.byteLength) : done(moved))
    if (direction === 'in') engine.write(region.address, part, next)
    else {
      engine.read(region.address, part.byteLength, (read, complete) => {
        if (complete) part.set(read)
        next(complete)
      })
    }
  }
  goOn(0, 0)
}
