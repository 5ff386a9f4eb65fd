import {
  DmaError,
  F_SEAL_SHRINK,
  type FileDescriptor,
  type Kernel,
  linuxKernel,
  O_RDWR,
} from '@linux-dma/native'
import { CoherentAllocation } from '../allocation/coherent'
import { NoncoherentAllocation } from '../allocation/noncoherent'
import { assertByteLength, assertOptions } from '../checks/validate'
import { DmaRegion } from '../mapping/region'
import { mapShared } from './map-shared'
import { DmaMemory } from './memory'

/**
 * Says which memory to share: plain numbers, to be sent to a worker by `postMessage` or to another process as JSON, whose
 * own descriptor of the memory then takes the place of `fd`.
 */
export interface DmaMemoryHandle {
  /** A descriptor of the memory in the process that imports it. It is looked at and left as it was. */
  readonly fd: FileDescriptor
  /** Bytes of the whole memory. */
  readonly byteLength: number
  /** Bytes in the huge pages that it is made of; absent for base pages. */
  readonly hugePageSize?: number
  /** Which file the descriptor has to be of, so that a number that was used again is told from it. */
  readonly inode: number
}

/**
 * Names memory for {@link importDmaMemory}, in another thread or process. Nothing changes hands: the memory stays open
 * here, and has to be until it was imported. All of it is shared, since its descriptor opens all of it.
 * @param source memory, or what is made of it: a region or an allocation
 * @throws DMA_INVALID_ARGUMENT; DMA_CLOSED, DMA_QUARANTINED
 * @example
 * ```ts
 * worker.postMessage(exportDmaMemory(memory))
 * kernel.sendMessage(socket, new TextEncoder().encode(JSON.stringify(exportDmaMemory(memory))), [memory.fd])
 * ```
 */
export function exportDmaMemory(
  source: DmaMemory | DmaRegion | CoherentAllocation | NoncoherentAllocation,
): DmaMemoryHandle {
  const memory = memoryBehind(source)
  const { fd, kernel, byteLength, hugePageSize } = memory
  const inode = inodeOf(kernel, fd)
  return { fd, byteLength, inode, ...(hugePageSize === undefined ? {} : { hugePageSize }) }
}

/**
 * Maps memory that another thread or process exported. It is then memory as any other here: for devices of this kernel
 * object, with a descriptor and a mapping of its own. It lives until it is closed here, whatever the exporter does.
 *
 * The bytes are the same ones. Who may touch them when is agreed between the two sides, by messages: ownership is kept
 * for each mapping on the side that made it.
 * @param handle what {@link exportDmaMemory} gave; from another process with `fd` replaced by the descriptor that
 *   `kernel.receiveMessage` gave, which stays the caller's to close
 * @param options.kernel this thread's own kernel; default: the real one
 * @throws DMA_NOT_SHARED where the descriptor is closed, or of another file by now; DMA_NOT_DMA_MEMORY for a file that is
 *   no memfd; DMA_NOT_SEALED for one that could shrink, which would end this process; DMA_RANGE where it is shorter than
 *   the handle says; DMA_INVALID_ARGUMENT; EPERM where it is sealed against further writable mappings, as memory of which a
 *   udmabuf was made; EMFILE, ENOMEM
 * @example
 * ```ts
 * parentPort.once('message', (handle) => {
 *   using memory = importDmaMemory(handle)
 *   memory.bytes.fill(1)
 * })
 * ```
 */
export function importDmaMemory(handle: DmaMemoryHandle, options: { kernel?: Kernel } = {}): DmaMemory {
  assertOptions('importDmaMemory', options, ['kernel'])
  assertOptions('the handle of importDmaMemory', handle, ['fd', 'byteLength', 'hugePageSize', 'inode'])
  const { kernel = linuxKernel() } = options
  const { fd: theirs, byteLength, hugePageSize, inode } = handle
  const unit = hugePageSize ?? kernel.pageSize
  assertByteLength('byteLength', byteLength)
  assertByteLength('hugePageSize', unit)
  const isWhole = byteLength % unit === 0 && Number.isInteger(Math.log2(unit / kernel.pageSize))
  if (!Number.isInteger(theirs) || theirs < 0 || !Number.isSafeInteger(inode) || !isWhole) {
    throw new DmaError(
      'DMA_INVALID_ARGUMENT',
      'importDmaMemory: the handle was not made by exportDmaMemory()',
      {
        hint: 'pass it on whole; over a socket replace its fd by the descriptor that receiveMessage() gave',
      },
    )
  }
  assertSealedMemory(kernel, theirs)
  const fd = kernel.open(`/proc/self/fd/${theirs}`, O_RDWR)
  try {
    // Of the new descriptor: nobody can put another file behind that number.
    if (inodeOf(kernel, fd) !== inode) throw notShared(`descriptor ${theirs} is of another file now`)
    assertSealedMemory(kernel, fd)
    // What lies beyond the end of a file ends the process when it is touched.
    if (kernel.read(fd, new Uint8Array(1), byteLength - 1) !== 1) {
      throw new DmaError(
        'DMA_RANGE',
        `the shared memory has fewer than the ${byteLength} bytes of its handle`,
      )
    }
    if (hugePageSize !== undefined) assertHugePages(kernel, fd, hugePageSize)
    return new DmaMemory(kernel, fd, mapShared(kernel, fd, { byteLength }), hugePageSize)
  } catch (error) {
    kernel.close(fd)
    throw error
  }
}

function memoryBehind(source: unknown): DmaMemory {
  if (source instanceof DmaMemory) return source
  const made =
    source instanceof DmaRegion ||
    source instanceof CoherentAllocation ||
    source instanceof NoncoherentAllocation
  if (made) return source.memory
  throw new DmaError('DMA_INVALID_ARGUMENT', `exportDmaMemory: ${typeof source} is no DMA memory`, {
    hint: 'pass what allocateDmaMemory(), createDmaRegion() or dmaAllocCoherent() returned',
  })
}

/** A memfd that cannot shrink: the only file whose mapping is safe from what others do to it. */
function assertSealedMemory(kernel: Kernel, fd: FileDescriptor): void {
  let seals: number
  try {
    seals = kernel.getSeals(fd)
  } catch (cause) {
    const { code } = cause as { code?: string }
    if (code === 'EBADF') throw notShared(`descriptor ${fd} is not open`)
    if (code !== 'EINVAL') throw cause
    throw new DmaError(
      'DMA_NOT_DMA_MEMORY',
      `descriptor ${fd} is of ${nameOf(kernel, fd)}, which is no memfd`,
      {
        hint: 'pass what exportDmaMemory() gave, and { kernel } where it is not the real kernel’s; to another process send memory.fd',
        cause,
      },
    )
  }
  if ((seals & F_SEAL_SHRINK) !== 0) return
  throw new DmaError('DMA_NOT_SEALED', `${nameOf(kernel, fd)} could shrink, which would end this process`, {
    hint: 'whoever made the memfd has to add F_SEAL_SHRINK; memory of allocateDmaMemory() has it',
  })
}

/**
 * Huge pages stay where they are, which base pages do not: a handle is not believed. Half of one cannot be mapped.
 */
function assertHugePages(kernel: Kernel, fd: FileDescriptor, hugePageSize: number): void {
  const half = hugePageSize / 2
  try {
    mapShared(kernel, fd, { byteLength: half, position: half }).close()
  } catch (error) {
    if ((error as { code?: string }).code === 'EINVAL') return
    throw error
  }
  throw new DmaError(
    'DMA_INVALID_ARGUMENT',
    `importDmaMemory: the memory is not made of pages of ${hugePageSize}`,
  )
}

function nameOf(kernel: Kernel, fd: FileDescriptor): string {
  try {
    return kernel.readLink(`/proc/self/fd/${fd}`)
  } catch {
    return 'a file without a name'
  }
}

function inodeOf(kernel: Kernel, fd: FileDescriptor): number {
  const text = kernel.readText(`/proc/self/fdinfo/${fd}`)
  // Kernels before 5.14 do not say: then all files count as the same.
  return Number(/^ino:\s+(\d+)/m.exec(text)?.[1] ?? 0)
}

function notShared(why: string): DmaError {
  return new DmaError('DMA_NOT_SHARED', `the memory cannot be imported: ${why}`, {
    hint: 'keep the exported memory open until the other side has imported it; over a socket send its descriptor',
  })
}
