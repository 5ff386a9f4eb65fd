import type { VirtualClock } from '../clock'
import type { DescriptorTable } from '../kernel/descriptor-table'
import type { AddressSpace } from '../memory/address-space'
import type { StorageMirror } from '../memory/storage'

/** What dma-bufs need of their machine. */
export interface DmaBufParts {
  readonly descriptors: DescriptorTable
  readonly clock: VirtualClock
  readonly addressSpace: AddressSpace
  readonly mirrors: Set<StorageMirror>
  /** Numbers that were given out so far: of buffers, and of the contexts of fences. */
  readonly dmaBufNumbers: { inode: number; fenceContext: number }
}
