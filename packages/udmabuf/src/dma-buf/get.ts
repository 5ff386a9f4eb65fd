import { assertOptions, DmaError, isDmaError, kernelOption } from '@linux-dma/core'
import type { FileDescriptor, Kernel } from '@linux-dma/native'
import { DmaBuf } from './dma-buf'
import { notOpen, readInfo } from './info'
import { knownOrigin } from './known'

/**
 * A buffer by its descriptor: one that was inherited, or that an ioctl of another driver made. Mirrors `dma_buf_get()`: the
 * buffer is held by a duplicate, the given descriptor stays the caller's.
 * @throws DMA_NOT_DMA_BUF for a descriptor of something else; DMA_INVALID_ARGUMENT; EMFILE
 * @example
 * ```ts
 * // The parent ran spawn(…, { stdio: ['inherit', 'inherit', 'inherit', buffer.fd] }).
 * using buffer = dmaBufGet(3)
 * ```
 */
export function dmaBufGet(fd: FileDescriptor, options: { kernel?: Kernel } = {}): DmaBuf {
  assertOptions('dmaBufGet', options, ['kernel'])
  const kernel = kernelOption('dmaBufGet', options.kernel)
  if (!Number.isInteger(fd) || fd < 0) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `dmaBufGet: ${String(fd)} is no descriptor`)
  }
  return adoptDmaBuf(kernel, duplicateOf(kernel, fd))
}

/** @throws DMA_NOT_DMA_BUF where there is nothing to duplicate */
function duplicateOf(kernel: Kernel, fd: FileDescriptor): FileDescriptor {
  try {
    return kernel.duplicate(fd)
  } catch (error) {
    throw isDmaError(error, 'EBADF') ? notOpen(fd, error) : error
  }
}

/** A buffer of a descriptor that goes over to it: closed where it is of something else. @throws DMA_NOT_DMA_BUF */
export function adoptDmaBuf(kernel: Kernel, fd: FileDescriptor): DmaBuf {
  try {
    const info = readInfo(kernel, fd)
    const { size, inode } = info
    const access = info.access === 'read' ? 'read' : 'read-write'
    return new DmaBuf(kernel, fd, { ...(knownOrigin(kernel, info) ?? { size }), access, inode })
  } catch (error) {
    kernel.close(fd)
    throw error
  }
}
