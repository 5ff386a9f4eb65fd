import { assertOptions, DmaError, type Kernel, kernelOption } from '@linux-dma/core'
import type { FileDescriptor } from '@linux-dma/native'
import type { DmaBuf } from '../dma-buf/dma-buf'
import { adoptDmaBuf } from '../dma-buf/get'

/**
 * Takes a buffer from another process by the number that its descriptor has there, without its doing anything. Mirrors
 * pidfd_getfd(2). For tools that look at what others do; programs that work together send buffers: {@link sendDmaBuf}.
 * @param pid of the process
 * @param fd the number in that process; `dmaBufUsage({ pid })` tells them
 * @throws EPERM where this process may not trace that one, with what to change; ESRCH, EBADF; DMA_NOT_DMA_BUF;
 *   ENOSYS before Linux 5.6; DMA_INVALID_ARGUMENT
 * @example
 * ```ts
 * const { buffers } = dmaBufUsage({ pid })
 * using buffer = dmaBufOfProcess(pid, buffers[0].descriptors[0])
 * ```
 */
export function dmaBufOfProcess(pid: number, fd: FileDescriptor, options: { kernel?: Kernel } = {}): DmaBuf {
  assertOptions('dmaBufOfProcess', options, ['kernel'])
  const kernel = kernelOption('dmaBufOfProcess', options.kernel)
  if (!Number.isInteger(pid) || pid < 1 || !Number.isInteger(fd) || fd < 0) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `dmaBufOfProcess: descriptor ${fd} of process ${pid}`, {
      hint: 'first the process, then the number of the descriptor in it',
    })
  }
  const process = kernel.pidfdOpen(pid)
  try {
    return adoptDmaBuf(kernel, kernel.pidfdGetfd(process, fd))
  } finally {
    kernel.close(process)
  }
}
