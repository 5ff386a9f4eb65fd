import { explained } from '@linux-dma/core'
import type { FileDescriptor, Kernel } from '@linux-dma/native'
import { DMA_BUF_IOCTL_EXPORT_SYNC_FILE, DMA_BUF_IOCTL_IMPORT_SYNC_FILE } from '../abi'

const requests = { DMA_BUF_IOCTL_EXPORT_SYNC_FILE, DMA_BUF_IOCTL_IMPORT_SYNC_FILE }

/** One of the two requests that not every kernel has. @throws ENOTTY with what it takes */
export function syncFileRequest(
  kernel: Kernel,
  fd: FileDescriptor,
  name: keyof typeof requests,
  argument: Uint8Array,
): void {
  explained(() => kernel.ioctl(fd, requests[name], argument, name), {
    ENOTTY: () => ({
      message: `${name}: this kernel has no sync files for dma-bufs`,
      hint: 'that takes Linux 6.0 with CONFIG_SYNC_FILE, which kernels without graphics, such as those for clouds, are built without; waitForCpuAccess() takes neither',
    }),
  })
}
