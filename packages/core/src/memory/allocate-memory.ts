import { type Kernel, linuxKernel } from '@linux-dma/native'
import { assertByteLength, assertOptions } from '../checks/validate'
import { DmaMemory } from './memory'

/** What to allocate: see {@link allocateDmaMemory}. */
export interface DmaMemoryOptions {
  /** Bytes that are needed, 1 or more; rounded up to whole pages. */
  byteLength: number
  /** Where from. Default: the real kernel. */
  kernel?: Kernel
  /** Bytes in a huge page, for example `0x200000`, to take memory from the hugetlb pool. Default: base pages. */
  hugePageSize?: number
  /** What /proc calls the memory. Default `linux-dma`. */
  name?: string
}

/**
 * Allocates zeroed memory that devices can be given.
 *
 * It costs one memfd and one mapping, whatever its size: allocate one large piece and cut it up. Nothing is pinned
 * until the memory is mapped for a device.
 * @throws DMA_INVALID_ARGUMENT for a length that is not a positive integer
 * @throws ENOMEM, EMFILE and what else memfd_create, ftruncate and mmap answer; nothing is left behind
 * @example
 * ```ts
 * using memory = allocateDmaMemory({ byteLength: 8192, kernel })
 * memory.bytes.fill(0xa5)
 * ```
 */
export function allocateDmaMemory(options: DmaMemoryOptions): DmaMemory {
  assertOptions('allocateDmaMemory', options, ['byteLength', 'kernel', 'hugePageSize', 'name'])
  assertByteLength('byteLength', options.byteLength)
  const { kernel = linuxKernel(), hugePageSize, name = 'linux-dma' } = options
  const unit = hugePageSize ?? kernel.pageSize
  const byteLength = Math.ceil(options.byteLength / unit) * unit
  const fd = kernel.memfd(name, hugePageSize === undefined ? { byteLength } : { byteLength, hugePageSize })
  try {
    return new DmaMemory(kernel, fd, kernel.mmap(fd, { byteLength }), hugePageSize)
  } catch (error) {
    kernel.close(fd)
    throw error
  }
}
