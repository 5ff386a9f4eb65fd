import { assertOptions } from '@linux-dma/core'
import { isDmaError, type Kernel, linuxKernel } from '@linux-dma/native'
import { parseInfo, readDescriptorInfo } from './info'

/** One buffer that a process has open. */
export interface DmaBufUse {
  readonly inode: number
  /** Bytes. */
  readonly size: number
  readonly exporter: string
  readonly name: string | undefined
  /** Its descriptors in that process, ascending. */
  readonly descriptors: readonly number[]
}

/** What {@link dmaBufUsage} counts. */
export interface DmaBufUsage {
  /** Bytes in all buffers, each counted once. */
  readonly bytes: number
  readonly buffers: readonly DmaBufUse[]
}

/**
 * Which dma-bufs a process has open, and how much memory they hold: no limit of the kernel's and no figure of `ps` or `top`
 * has it. Buffers that are mapped, or held by a device, and have no descriptor any more are not among them.
 * @param options.pid default: this process; another one's are told to its own user and to root
 * @throws ENOENT where there is no such process; EACCES
 * @example
 * ```ts
 * const { bytes, buffers } = dmaBufUsage()
 * ```
 */
export function dmaBufUsage(options: { pid?: number; kernel?: Kernel } = {}): DmaBufUsage {
  assertOptions('dmaBufUsage', options, ['pid', 'kernel'])
  const { pid = 'self', kernel = linuxKernel() } = options
  const buffers = new Map<number, DmaBufUse & { descriptors: number[] }>()
  for (const name of kernel.list(`/proc/${pid}/fd`)) {
    const info = infoOf(kernel, pid, Number(name))
    if (info === undefined) continue
    const { inode, size, exporter, name: label } = info
    const known = buffers.get(inode)
    if (known) known.descriptors.push(Number(name))
    else buffers.set(inode, { inode, size, exporter, name: label, descriptors: [Number(name)] })
  }
  const list = [...buffers.values()]
  for (const { descriptors } of list) descriptors.sort((a, b) => a - b)
  return { bytes: list.reduce((sum, { size }) => sum + size, 0), buffers: list }
}

/** Undefined for what is no dma-buf, and for what was closed while the list was read. */
function infoOf(kernel: Kernel, pid: number | 'self', fd: number) {
  try {
    if (!kernel.readLink(`/proc/${pid}/fd/${fd}`).startsWith('/dmabuf:')) return undefined
    return parseInfo(readDescriptorInfo(kernel, pid, fd))
  } catch (error) {
    if (isDmaError(error, 'ENOENT') || isDmaError(error, 'DMA_NOT_DMA_BUF')) return undefined
    throw error
  }
}
