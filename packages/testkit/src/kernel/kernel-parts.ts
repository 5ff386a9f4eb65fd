import type { VirtualClock } from '../clock'
import type { MachineCaches } from '../coherence/machine-caches'
import type { DmaErrors } from '../dma-errors'
import type { FaultPlan } from '../fault-plan'
import type { FileSystem } from '../fs/file-system'
import type { FrameAllocator } from '../memory/frames'
import type { HugePages } from '../memory/huge-pages'
import type { MappingOwner } from '../memory/mapping'
import type { StorageMirror } from '../memory/storage'
import type { TraceLog } from '../trace/trace-log'
import type { DescriptorTable } from './descriptor-table'
import type { IoUringSwitch } from './pinned-pages'
import type { Waiters } from './waiters'

/** The parts of a fake machine that its kernel works with. */
export interface KernelParts extends MappingOwner {
  readonly clock: VirtualClock
  readonly fs: FileSystem
  readonly descriptors: DescriptorTable
  readonly waiters: Waiters
  readonly frames: FrameAllocator
  /** Copies that the program sees of memory in several pieces. */
  readonly mirrors: Set<StorageMirror>
  readonly hugePages: HugePages
  readonly faultPlan: FaultPlan
  readonly ioUring: IoUringSwitch
  readonly warnings: Error[]
  /** Absent where nobody is to look at how DMA is used. */
  readonly dmaErrors: DmaErrors | undefined
  /** Absent where nobody wants to know what happens. */
  readonly trace: TraceLog | undefined
  /** Present where devices do not look into the CPU's caches. */
  readonly caches: MachineCaches | undefined
  /** Whether every streaming mapping is a copy. */
  readonly forceBounce: boolean
}
