import type { IoRegion } from '@linux-dma/core'
import { createRegisters } from '../fixtures'
import { nanosecondsPerOperation, pair } from '../pair'
import type { Reference } from '../reference'
import type { Row } from '../row'

/** One register in each cache line, so that no read brings in the next. */
const STRIDE = 64

/**
 * Checked reads of which each waits for the last: a chain through a window that is too large for the cache before it.
 * A device's registers are slower still, so what the checks cost is hidden at least as well.
 */
export function registerChainRows(reference: Reference): Row[] {
  return [
    chain(reference, 'register chain, L2 cache', 1 << 19, 4_000_000),
    chain(reference, 'register chain, L3 cache', 1 << 23, 1_000_000),
    chain(reference, 'register chain, memory', 1 << 28, 200_000),
  ]
}

function chain(reference: Reference, name: string, byteLength: number, reads: number): Row {
  return {
    name,
    unit: 'ns',
    measure(context) {
      const { registers, fd } = createRegisters(byteLength)
      const address = reference.mapShared(fd, byteLength, 0)
      reference.linkChain(address, byteLength, STRIDE)
      // Each side goes on where it stopped, so that neither finds what the other has just read.
      let place = 0
      return pair(
        context,
        nanosecondsPerOperation((count) => {
          place = reference.followChain(address, place, count)
        }, reads),
        nanosecondsPerOperation((count) => {
          place = follow(registers, place, count)
        }, reads),
      )
    },
  }
}

function follow(registers: IoRegion, start: number, count: number): number {
  let offset = start
  for (let index = 0; index < count; index++) offset = registers.read32(offset)
  return offset
}
