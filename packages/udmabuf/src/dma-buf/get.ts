import { assertOptions, DmaError } from '@linux-dma/core'
import { type FileDescriptor, type Kernel, linuxKernel } from '@linux-dma/native'
import { DmaBuf } from './dma-buf'
import { readInfo } from './info'

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
  const { kernel = linuxKernel() } = options
  if (!Number.isInteger(fd) || fd < 0) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `dmaBufGet: ${String(fd)} is no descriptor`)
  }
  readInfo(kernel, fd)
  return adoptDmaBuf(kernel, kernel.duplicate(fd))
}

/** A buffer of a descriptor that goes over to it: closed where it is of something else. @throws DMA_NOT_DMA_BUF */
export function adoptDmaBuf(kernel: Kernel, fd: FileDescriptor): DmaBuf {
  try {
    const { size, access, inode } = readInfo(kernel, fd)
    return new DmaBuf(kernel, fd, { size, access: access === 'read' ? 'read' : 'read-write', inode })
  } catch (error) {
    kernel.close(fd)
    throw error
  }
}
