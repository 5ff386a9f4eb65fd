import type { UioParent } from './driver-info'
import type { MapContent } from './map'

/** What memory is filled with that somebody else would have by now. */
const poison = 0x6b

/**
 * Memory is about to be freed by its driver. Where a program has it mapped still, that is a line in the log; where its
 * pages are not kept for the mapping, which then shows memory of somebody else, it is filled with 0x6b.
 */
export function loseMapped(
  { storage, hasPages, byFaults }: Extract<MapContent, { storage: unknown }>,
  what: string,
  parent: UioParent,
): void {
  if (!storage.mapped) return
  if (!hasPages) storage.bytes(0, storage.capacity).fill(poison)
  parent.log(`${what} is freed while a program has it mapped: ${consequence(hasPages, byFaults)}`)
}

function consequence(hasPages: boolean, byFaults: boolean | undefined): string {
  if (!hasPages) return 'on Linux it sees memory of somebody else now'
  return byFaults
    ? 'on Linux a page that it has not accessed before raises SIGBUS now'
    : 'the device no longer reaches what is seen there'
}
