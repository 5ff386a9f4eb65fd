import { DmaError, type MemoryMapping } from '@linux-dma/native'
import { assertCoherentAllocation, type CoherentAllocation } from '../allocation/coherent'
import { assertNoncoherent, type NoncoherentAllocation } from '../allocation/noncoherent'
import { assertAllocationOf } from '../allocation/own-region'
import { assertDevice, assertOptions } from '../checks/validate'
import type { DmaDevice } from '../device/dma-device'
import { mapShared } from './map-shared'
import { noteWindow } from './memory-of'

/** Which part of an allocation to map: see {@link dmaMmapCoherent}. */
export interface MmapAllocationOptions {
  /** Pages from its start, `vm_pgoff`. Default 0. */
  pageOffset?: number
  /** Bytes, rounded up to whole pages. Default: all from there on. */
  byteLength?: number
}

/** What has pages of its own, which can be mapped once more. */
type Allocation = Pick<
  CoherentAllocation | NoncoherentAllocation,
  'device' | 'byteLength' | 'memory' | 'freed'
>

/** Whether {@link dmaMmapCoherent} works for a device: always, since all memory is a memfd. Mirrors `dma_can_mmap()`. */
export function dmaCanMmap(device: DmaDevice): boolean {
  device.assertOpen()
  return true
}

/**
 * Maps the pages of a coherent allocation into this process once more, at another address. Mirrors
 * `dma_mmap_coherent()`. For an allocation with `NoKernelMapping` it is the only way to its bytes.
 *
 * A part of the mapping can be given to a device like one of the allocation: it is the same memory. Of an allocation with
 * `NoKernelMapping` it cannot: the memory has no bytes of its own to sync.
 *
 * The mapping is the caller's to close. It keeps the pages when the allocation is freed, from the CPU's side alone. Of
 * memory made of huge pages whole ones are mapped.
 * @throws ENXIO where the part is not inside the allocation; DMA_WRONG_DEVICE; DMA_CLOSED; DMA_INVALID_ARGUMENT; EINVAL for
 *   an offset that is not a multiple of the huge page; EPERM where the memory is sealed against further writable mappings, as
 *   that of which a udmabuf was made; ENOMEM
 * @example
 * ```ts
 * using window = dmaMmapCoherent(device, allocation, { pageOffset: 1, byteLength: 4096 })
 * window.bytes[0] = 1
 * ```
 */
export function dmaMmapCoherent(
  device: DmaDevice,
  allocation: CoherentAllocation,
  options: MmapAllocationOptions = {},
): MemoryMapping {
  assertDevice('dmaMmapCoherent', device)
  assertCoherentAllocation('dmaMmapCoherent', device, allocation)
  return mmapAllocation('dmaMmapCoherent', device, allocation, options)
}

/** The same for memory of `dmaAllocPages` and `dmaAllocNoncoherent`. Mirrors `dma_mmap_pages()`. @throws as {@link dmaMmapCoherent} */
export function dmaMmapPages(
  device: DmaDevice,
  allocation: NoncoherentAllocation,
  options: MmapAllocationOptions = {},
): MemoryMapping {
  assertDevice('dmaMmapPages', device)
  assertNoncoherent('dmaMmapPages', device, allocation)
  return mmapAllocation('dmaMmapPages', device, allocation, options)
}

/** The same for any such allocation, called `of` in errors. @internal */
export function mmapAllocation(
  of: string,
  device: DmaDevice,
  allocation: Allocation,
  options: MmapAllocationOptions,
): MemoryMapping {
  assertOptions(of, options, ['pageOffset', 'byteLength'])
  device.assertOpen()
  assertAllocationOf(device, allocation)
  if (allocation.freed) throw new DmaError('DMA_CLOSED', `${of}: the allocation is freed`)
  const { memory } = allocation
  const { kernel } = memory
  const { pageOffset = 0 } = options
  const pages = Math.ceil(allocation.byteLength / kernel.pageSize)
  const { byteLength = Math.max(pages - pageOffset, 1) * kernel.pageSize } = options
  const fine = [pageOffset, byteLength].every((number) => Number.isSafeInteger(number) && number >= 0)
  if (!fine || byteLength === 0) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `${of}: ${byteLength} bytes from page ${pageOffset} on`)
  }
  if (pageOffset >= pages || Math.ceil(byteLength / kernel.pageSize) > pages - pageOffset) {
    throw new DmaError(
      'ENXIO',
      `${of}: ${byteLength} bytes from page ${pageOffset} on are not inside the ${pages} pages of the allocation`,
      { hint: 'the offset is in pages, the length in bytes' },
    )
  }
  const unit = memory.hugePageSize ?? kernel.pageSize
  const position = pageOffset * kernel.pageSize
  const mapping = mapShared(kernel, memory.fd, { position, byteLength: Math.ceil(byteLength / unit) * unit })
  noteWindow(mapping, memory, position)
  return mapping
}
