import { assertOptions, DmaError, isDmaError, type Kernel, kernelOption } from '@linux-dma/core'
import type { FileDescriptor } from '@linux-dma/native'
import { DmaBuf } from '../dma-buf/dma-buf'
import { adoptDmaBuf } from '../dma-buf/get'

/** Says which buffer to share with another thread of this process: plain numbers, for `postMessage`. */
export interface DmaBufHandle {
  readonly fd: FileDescriptor
  /** Which buffer the descriptor has to be of, so that a number that was used again is told from it. */
  readonly inode: number
  /** Bytes. */
  readonly size: number
}

/**
 * Names a buffer for {@link importDmaBuf} in a worker. Nothing changes hands: the buffer has to stay open here until it was
 * imported.
 * @throws DMA_CLOSED; DMA_INVALID_ARGUMENT
 * @example
 * ```ts
 * worker.postMessage(exportDmaBuf(buffer))
 * ```
 */
export function exportDmaBuf(buffer: DmaBuf): DmaBufHandle {
  if (!(buffer instanceof DmaBuf)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', 'exportDmaBuf: that is no dma-buf', {
      hint: 'DMA memory is shared with a worker by exportDmaMemory() of @linux-dma/core',
    })
  }
  const { fd, inode, size } = buffer
  return { fd, inode, size }
}

/**
 * The buffer that another thread of this process exported, with a descriptor and a life of its own.
 * @throws DMA_NOT_SHARED where it was closed meanwhile; DMA_INVALID_ARGUMENT; EMFILE
 * @example
 * ```ts
 * parentPort.once('message', (handle) => {
 *   using buffer = importDmaBuf(handle)
 *   buffer.cpuAccess('write', (bytes) => bytes.fill(1))
 * })
 * ```
 */
export function importDmaBuf(handle: DmaBufHandle, options: { kernel?: Kernel } = {}): DmaBuf {
  assertOptions('importDmaBuf', options, ['kernel'])
  const kernel = kernelOption('importDmaBuf', options.kernel)
  const { fd, inode, size } = (handle ?? {}) as DmaBufHandle
  const isHandle = Object.keys(handle ?? {}).every((name) => ['fd', 'inode', 'size'].includes(name))
  if (!isHandle || ![fd, inode, size].every((number) => Number.isSafeInteger(number) && number >= 0)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', 'importDmaBuf: the handle was not made by exportDmaBuf()', {
      hint: 'worker.postMessage(exportDmaBuf(buffer)), and pass on what comes, whole',
    })
  }
  const buffer = duplicateOf(kernel, fd)
  // Of the new descriptor: nobody can put another file behind that number.
  if (buffer.inode === inode && buffer.size === size) return buffer
  buffer.close()
  throw notShared(`descriptor ${fd} is of another buffer now`)
}

function duplicateOf(kernel: Kernel, fd: FileDescriptor): DmaBuf {
  try {
    return adoptDmaBuf(kernel, kernel.duplicate(fd))
  } catch (error) {
    if (isDmaError(error, 'EBADF')) throw notShared(`descriptor ${fd} is not open`)
    if (isDmaError(error, 'DMA_NOT_DMA_BUF')) throw notShared(`descriptor ${fd} is of another file now`)
    throw error
  }
}

function notShared(why: string): DmaError {
  return new DmaError('DMA_NOT_SHARED', `the buffer cannot be imported: ${why}`, {
    hint: 'keep it open until the worker has it; another process is sent buffers by sendDmaBuf(). A fake machine lives in one thread: its buffers are imported there',
  })
}
