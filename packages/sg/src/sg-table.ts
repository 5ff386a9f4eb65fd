import type { OrigNents } from './counts'
import type { PageSpace } from './page-space'
import type { Segments } from './segments'

/** A list of memory segments: the kernel's `struct sg_table`, in arrays. */
export class SgTable {
  /** @internal */
  readonly space: PageSpace
  /** @internal */
  readonly segments: Segments

  /** @internal use {@link SgTable.fromPages}, {@link SgTable.fromBuffers} */
  constructor(space: PageSpace, segments: Segments) {
    this.space = space
    this.segments = segments
  }

  /** Segments in memory. What a device sees of them once they are mapped is `nents` of the mapping. */
  get origNents(): OrigNents {
    return this.segments.count as OrigNents
  }
}
