import { type FileDescriptor, isDmaError, type Kernel } from '@linux-dma/native'

/**
 * Waits until a descriptor is ready, without a thread. One wait at a time is what the kernel interface has for each
 * descriptor: whoever comes second waits on a duplicate.
 * @throws the signal's reason; DMA_CLOSED where the descriptor is closed meanwhile
 */
export async function pollShared(
  kernel: Kernel,
  fd: FileDescriptor,
  events: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const options = signal ? { signal } : {}
  try {
    return await kernel.poll(fd, events, options)
  } catch (error) {
    if (!isDmaError(error, 'EBUSY')) throw error
  }
  const own = kernel.duplicate(fd)
  try {
    return await kernel.poll(own, events, options)
  } finally {
    kernel.close(own)
  }
}
