import {
  assertByteLength,
  assertOptions,
  DmaError,
  explained,
  isDmaError,
  kernelOption,
} from '@linux-dma/core'
import { type Kernel, O_CLOEXEC, O_RDONLY, O_RDWR } from '@linux-dma/native'
import { bytesOf, DMA_HEAP_IOCTL_ALLOC, heapAllocation } from '../abi'
import { assertAvailable } from '../dma-buf/available-memory'
import { assertBudget, counted, type DmaBufBudget } from '../dma-buf/budget'
import { DmaBuf } from '../dma-buf/dma-buf'
import { nameBytes, setName } from '../dma-buf/name'

const HEAPS = '/dev/dma_heap'

/** How to allocate: see {@link allocateFromHeap}. */
export interface HeapOptions {
  /** What the buffer's descriptor permits, here and to whom it is sent. Default `read-write`. */
  access?: 'read' | 'read-write'
  /** What the buffer is called: 31 bytes of UTF-8 at most. Default: nothing. */
  name?: string
  /** What the buffer counts against. */
  budget?: DmaBufBudget
  /** Default: the real one. */
  kernel?: Kernel
}

/**
 * Names of the kernel's dma-heaps, sorted: `system`, and those of memory that is kept aside for devices that need it in one
 * piece. None where the kernel has no heaps.
 * @example
 * ```ts
 * const heap = listHeaps().includes('linux,cma') ? 'linux,cma' : 'system'
 * ```
 */
export function listHeaps(options: { kernel?: Kernel } = {}): string[] {
  assertOptions('listHeaps', options, ['kernel'])
  const kernel = kernelOption('listHeaps', options.kernel)
  try {
    return kernel.list(HEAPS)
  } catch (error) {
    if (isDmaError(error, 'ENOENT')) return []
    throw error
  }
}

/**
 * Allocates a zeroed buffer from a dma-heap: memory of the kernel's, where a udmabuf is of user space's. Mirrors
 * DMA_HEAP_IOCTL_ALLOC.
 * @param heap one of {@link listHeaps}
 * @param size bytes, 1 or more; rounded up to whole pages
 * @throws DMA_TOO_LARGE for more than the machine has available: the kernel does not look, and to run out of memory there ends
 *   the machine; DMA_BUDGET; DMA_INVALID_ARGUMENT; ENOENT with the heaps that there are; EACCES with a rule for udev; ENOMEM,
 *   EMFILE
 * @example
 * ```ts
 * using buffer = allocateFromHeap('system', 1024 * 1024)
 * ```
 */
export function allocateFromHeap(heap: string, size: number, options: HeapOptions = {}): DmaBuf {
  assertOptions('allocateFromHeap', options, ['access', 'name', 'budget', 'kernel'])
  const { access = 'read-write', name, budget } = options
  const kernel = kernelOption('allocateFromHeap', options.kernel)
  assertHeapName(heap)
  assertByteLength('size', size)
  if (name !== undefined) nameBytes(name)
  assertBudget('allocateFromHeap', budget)
  if (access !== 'read' && access !== 'read-write') {
    throw new DmaError('DMA_INVALID_ARGUMENT', `allocateFromHeap: access is '${String(access)}'`, {
      hint: "it is 'read' or 'read-write'",
    })
  }
  const rounded = Math.ceil(size / kernel.pageSize) * kernel.pageSize
  assertAvailable(kernel, rounded)
  return counted(budget, rounded, (share) => {
    const fd = allocate(kernel, heap, rounded, O_CLOEXEC | (access === 'read' ? O_RDONLY : O_RDWR))
    try {
      if (name !== undefined) setName(kernel, fd, name)
    } catch (error) {
      kernel.close(fd)
      throw error
    }
    return new DmaBuf(kernel, fd, { size: rounded, access, budget: share })
  })
}

function allocate(kernel: Kernel, heap: string, size: number, flags: number): number {
  const node = openHeap(kernel, heap)
  try {
    const view = heapAllocation(size, flags)
    explained(() => kernel.ioctl(node, DMA_HEAP_IOCTL_ALLOC, bytesOf(view), 'DMA_HEAP_IOCTL_ALLOC'), {
      ENOMEM: () => ({
        message: `the heap ${heap} has no ${size} bytes left`,
        hint: 'close buffers that are done with; a heap of memory in one piece may have enough, and not in one piece: CmaFree in /proc/meminfo',
      }),
    })
    return view.getUint32(8, true)
  } finally {
    kernel.close(node)
  }
}

function openHeap(kernel: Kernel, heap: string): number {
  const path = `${HEAPS}/${heap}`
  return explained(() => kernel.open(path, O_RDONLY), {
    ENOENT: () => {
      const heaps = listHeaps({ kernel })
      return {
        message: `there is no heap '${heap}'`,
        hint:
          heaps.length > 0
            ? `there are: ${heaps.join(', ')}`
            : `${HEAPS} is empty or not there: the heaps are CONFIG_DMABUF_HEAPS_SYSTEM and _CMA of Linux 5.6 and later; a container is given one by --device ${path}`,
      }
    },
    EACCES: () => ({
      message: `${path} may not be opened by this user: it is root's`,
      hint:
        `for now: sudo chown "$USER" ${path}; for good, a udev rule, with video or a group of yours: ` +
        `SUBSYSTEM=="dma_heap", KERNEL=="${heap}", GROUP="video", MODE="0660". Who may open it can take any amount of memory`,
    }),
  })
}

/** @throws DMA_INVALID_ARGUMENT for what would lead out of the folder of heaps */
function assertHeapName(heap: string): void {
  if (typeof heap === 'string' && /^[^/\0]+$/.test(heap) && heap !== '.' && heap !== '..') return
  throw new DmaError('DMA_INVALID_ARGUMENT', `${JSON.stringify(heap) ?? typeof heap} is no name of a heap`, {
    hint: 'listHeaps() has the names that there are',
  })
}
