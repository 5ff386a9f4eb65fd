import { types } from 'node:util'
import type { Addon } from './addon'
import { O_RDONLY } from './constants'
import { toDmaError } from './system-error'
import { checkBuffer, checkInteger, invalidArgument } from './validate'

const PAGEMAP = '/proc/self/pagemap'
const ENTRY_BYTES = 8

/** What {@link Kernel.readPagemap} does. */
export function readPagemap(addon: Addon, address: number, entries: BigUint64Array): number {
  checkInteger('address', address, 0, Number.MAX_SAFE_INTEGER)
  if (!types.isBigUint64Array(entries)) throw invalidArgument('entries', entries, 'a BigUint64Array')
  checkBuffer('entries', entries)
  const bytes = new Uint8Array(entries.buffer, entries.byteOffset, entries.byteLength)
  const position = Math.floor(address / addon.pageSize) * ENTRY_BYTES
  try {
    const fd = addon.open(PAGEMAP, O_RDONLY)
    try {
      return fill(addon, fd, bytes, position) / ENTRY_BYTES
    } finally {
      addon.close(fd)
    }
  } catch (error) {
    throw toDmaError(error, { path: PAGEMAP })
  }
}

// The kernel may answer a long read in parts.
function fill(addon: Addon, fd: number, bytes: Uint8Array, position: number): number {
  let filled = 0
  while (filled < bytes.byteLength) {
    const count = addon.read(fd, bytes.subarray(filled), position + filled)
    if (count === 0) break
    filled += count
  }
  return filled
}
