import { assertOptions, DmaError, explained, type Kernel, kernelOption } from '@linux-dma/core'
import { type FileDescriptor, O_RDWR } from '@linux-dma/native'
import { O_SYNC } from './abi'
import { readUDmaBuf } from './list-u-dma-bufs'
import { UDmaBuf } from './u-dma-buf'
import type { UDmaBufInfo } from './u-dma-buf-info'

/** How to open a u-dma-buf: see {@link openUDmaBuf}. */
export interface UDmaBufOptions {
  /**
   * Whether the CPU has its bytes in its caches, as other memory. `false` opens it with O_SYNC: the mapping is then what
   * `sync_mode` says, which needs no syncs and is much slower to read. On x86 it is the same. Default: true.
   */
  cached?: boolean
  /** Where it is. Default: the real kernel. */
  kernel?: Kernel
}

/**
 * Opens a u-dma-buf and maps it. Any number of processes can have the same one open: who uses which part of it, and when, is for
 * them to agree on. The kernel module stays loaded meanwhile. Never unbind it from its driver while somebody has it open: the driver
 * frees the memory all the same.
 * @param nameOrPath `udmabuf0`, or `/dev/udmabuf0`: see `listUDmaBufs`
 * @throws DMA_NO_DEVICE with how to get one; EACCES with a rule for udev that permits it; DMA_INVALID_ARGUMENT; EMFILE, ENOMEM
 * @example
 * ```ts
 * using buffer = openUDmaBuf('udmabuf0')
 * buffer.bytes.fill(0)
 * buffer.syncForDevice()
 * registers.writeAddress(0x18, buffer.dmaAddress)
 * ```
 */
export function openUDmaBuf(nameOrPath: string, options: UDmaBufOptions = {}): UDmaBuf {
  assertOptions('openUDmaBuf', options, ['cached', 'kernel'])
  const { cached = true } = options
  const kernel = kernelOption('openUDmaBuf', options.kernel)
  if (typeof cached !== 'boolean') {
    throw new DmaError('DMA_INVALID_ARGUMENT', `openUDmaBuf: cached is ${String(cached)}, not true or false`)
  }
  const info = readUDmaBuf(kernel, nameOrPath)
  const fd = openNode(kernel, info, cached ? O_RDWR : O_RDWR | O_SYNC)
  try {
    return UDmaBuf.fromDescriptor(kernel, fd, info, cached)
  } catch (error) {
    kernel.close(fd)
    throw error
  }
}

function openNode(kernel: Kernel, { node, name, path }: UDmaBufInfo, flags: number): FileDescriptor {
  const subsystem = path.split('/').at(-2)
  return explained(() => kernel.open(node, flags), {
    EACCES: () => ({
      message: `${node} may not be opened by this user: it is root's`,
      hint: `for now: sudo chown "$USER" ${node}; for good: put this line into /etc/udev/rules.d/70-u-dma-buf.rules, with plugdev or a group of yours:\nSUBSYSTEM=="${subsystem}", KERNEL=="${name}", MODE="0660", GROUP="plugdev"\nthen: sudo udevadm control --reload && sudo udevadm trigger --subsystem-match=${subsystem}`,
    }),
    EPERM: () => ({
      message: `${node} may not be opened here: the container was not given it`,
      hint: `start it with --device ${node}`,
    }),
    ENOENT: () => ({
      message: `the kernel has ${name}, but ${node} is not there`,
      hint: `in a container: start it with --device ${node}; else: 'sudo udevadm trigger --subsystem-match=${subsystem}' makes the node`,
    }),
  })
}
