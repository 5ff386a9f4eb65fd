import type { CoherentMemory } from '../iommu/kernel-dma'
import type { UioParent } from './driver-info'

/** What memory is filled with that somebody else would have by now. */
const poison = 0x6b

/**
 * Coherent memory is about to be freed by its driver. Where a program has it mapped still, that is a line in the log; where
 * its pages are not kept for the mapping, which then shows memory of somebody else, it is filled with 0x6b.
 */
export function loseMapped(memory: CoherentMemory, what: string, parent: UioParent): void {
  const { storage, hasPages } = memory
  if (storage.mapped && hasPages) {
    parent.log(
      `${what} is freed while a program has it mapped: the device no longer reaches what is seen there`,
    )
  } else if (storage.mapped) {
    storage.bytes(0, storage.capacity).fill(poison)
    parent.log(`${what} is freed while a program has it mapped: on Linux it sees memory of somebody else now`)
  }
}
