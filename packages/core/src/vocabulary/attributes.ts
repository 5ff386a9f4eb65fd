import { DmaError } from '@linux-dma/native'

/**
 * What can be asked of a mapping or allocation beside the ordinary: flags to be joined by `|`. Values are those of the
 * kernel's `DMA_ATTR_…`. A function that cannot honour one refuses it.
 */
export const DmaAttribute = {
  /** Reads and writes may pass each other. No DMA path here orders less when told so; taken and of no effect. */
  WeakOrdering: 1 << 1,
  /** The CPU's writes may be combined. User space cannot choose the cache mode of memory; taken and of no effect. */
  WriteCombine: 1 << 2,
  /** Allocate without bytes for the CPU: a cookie that only devices use, until `dmaMmapCoherent` maps it. */
  NoKernelMapping: 1 << 4,
  /** Map or unmap without the copies or cache maintenance: the caller syncs what it touches. */
  SkipCpuSync: 1 << 5,
  /** Allocate physically contiguous memory: from one huge page, or not at all. */
  ForceContiguous: 1 << 6,
  /** Allocate from base pages; huge pages are not tried. They never are unless asked for; taken and of no effect. */
  AllocSinglePages: 1 << 7,
  /** No report of a failure. A failure is thrown here and not logged; taken and of no effect. */
  NoWarn: 1 << 8,
  /** Only a privileged master may access it. No DMA path of user space can tell; taken and of no effect. */
  Privileged: 1 << 9,
  /** The address is that of device registers: for `dmaMapResource`, which sets it itself. Refused for memory. */
  Mmio: 1 << 10,
  /** Fail where a copy or cache maintenance would stand between device and CPU. */
  RequireCoherent: 1 << 12,
} as const

/** Some of {@link DmaAttribute}, joined by `|`; 0 for none. */
export type DmaAttributes = number

/** What a streaming mapping of memory cannot be asked for. */
export const NOT_FOR_STREAMING =
  DmaAttribute.NoKernelMapping |
  DmaAttribute.ForceContiguous |
  DmaAttribute.AllocSinglePages |
  DmaAttribute.Mmio

const known = Object.values(DmaAttribute).reduce((all, flag) => all | flag, 0)

/**
 * Whether a set of attributes holds one of them.
 * @example hasAttribute(attributes, DmaAttribute.SkipCpuSync)
 */
export function hasAttribute(attributes: DmaAttributes, attribute: DmaAttributes): boolean {
  return (attributes & attribute) !== 0
}

/**
 * @param refused attributes that `of` cannot honour
 * @throws DMA_INVALID_ARGUMENT for what is no set of attributes; DMA_ATTRIBUTE for one that is refused
 */
export function assertAttributes(of: string, attributes: DmaAttributes, refused: DmaAttributes): void {
  if (attributes === 0) return
  if (!Number.isInteger(attributes) || attributes < 0 || attributes > known || (attributes & ~known) !== 0) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `${of}: attributes ${String(attributes)} has unknown bits`, {
      hint: 'join members of DmaAttribute by |',
    })
  }
  const wrong = Object.entries(DmaAttribute).find(([, flag]) => (attributes & refused & flag) !== 0)
  if (!wrong) return
  throw new DmaError('DMA_ATTRIBUTE', `${of} does not take DmaAttribute.${wrong[0]}`, {
    hint: 'the documentation of DmaAttribute says where each one belongs',
  })
}
