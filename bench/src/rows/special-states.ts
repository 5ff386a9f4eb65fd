import { allocateDmaMemory } from '@linux-dma/core'
import type { Reference } from '../reference'
import type { Row } from '../row'
import { transferRow } from './mapping'
import { checkedReadRow } from './registers'

/** After the first detach of an ArrayBuffer, which on Node 20 makes typed arrays slower in the whole process. */
export function detachedRows(reference: Reference): Row[] {
  const rows = [
    checkedReadRow('register read, checked, after a detach', reference),
    transferRow('transfer, tracked, after a detach', reference, 1_000_000),
  ]
  return rows.map((row) => ({
    ...row,
    measure(context) {
      const memory = allocateDmaMemory({ byteLength: 4096 })
      memory.bytes[0] = 1
      memory.close({ detach: true })
      return row.measure(context)
    },
  }))
}

/** In a process that was started with --jitless. */
export function jitlessRows(reference: Reference): Row[] {
  return [transferRow('transfer, tracked, without a compiler', reference, 20_000)]
}
