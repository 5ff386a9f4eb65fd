import { assertOptions, DmaError, explained, isDmaError, type Kernel, kernelOption } from '@linux-dma/core'
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
  const { pid = 'self' } = options
  if (pid !== 'self' && !(Number.isInteger(pid) && pid > 0)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `dmaBufUsage: ${String(pid)} is no process`)
  }
  const kernel = kernelOption('dmaBufUsage', options.kernel)
  const buffers = new Map<number, DmaBufUse & { descriptors: number[] }>()
  for (const name of descriptorsOf(kernel, pid)) {
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

/** @throws ENOENT, EACCES with what it takes */
function descriptorsOf(kernel: Kernel, pid: number | 'self'): string[] {
  return explained(() => kernel.list(`/proc/${pid}/fd`), {
    ENOENT: () => ({ message: `there is no process ${pid}`, hint: 'it may have ended' }),
    EACCES: () => ({
      message: `this process may not look at the descriptors of process ${pid}`,
      hint: 'they are told to a process of the same user, and to root: run it with sudo',
    }),
  })
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
