import { DmaError, type FileDescriptor, isDmaError, type Kernel } from '@linux-dma/native'

/** What the kernel says of a dma-buf, in `/proc/self/fdinfo`. */
export interface DmaBufInfo {
  /** Bytes. */
  readonly size: number
  /** Descriptors, mappings, devices and others that hold it, in all processes; the mapping of `cpuAccess()` is one. */
  readonly references: number
  /** The driver that it comes from: `udmabuf`, a heap's name, a GPU's driver. */
  readonly exporter: string
  /** What it was called; undefined where it has no name. */
  readonly name: string | undefined
  /** Tells buffers apart: two descriptors of one buffer have the same. */
  readonly inode: number
  /** How this descriptor may be used. */
  readonly access: 'read' | 'write' | 'read-write'
}

const ACCESS_MODES = ['read', 'write', 'read-write'] as const

/**
 * Reads what a descriptor is of. Nothing but a dma-buf has an exporter there: it is the kernel that writes it, and not whoever named the file.
 * @throws DMA_NOT_DMA_BUF for a descriptor of something else, or of nothing
 */
export function readInfo(kernel: Kernel, fd: FileDescriptor): DmaBufInfo {
  const info = parseInfo(readDescriptorInfo(kernel, 'self', fd))
  if (info) return info
  throw new DmaError('DMA_NOT_DMA_BUF', `descriptor ${fd} is of ${nameOf(kernel, fd)}, which is no dma-buf`, {
    hint: 'a dma-buf comes from createUdmabuf(), allocateFromHeap() or a driver that exports one; of a memfd make one: createUdmabuf({ list: [{ fd, size }] })',
  })
}

/** What `/proc/PID/fdinfo` has of a descriptor. @throws DMA_NOT_DMA_BUF where it is not open */
export function readDescriptorInfo(kernel: Kernel, pid: number | 'self', fd: FileDescriptor): string {
  try {
    return kernel.readText(`/proc/${pid}/fdinfo/${fd}`)
  } catch (error) {
    if (!isDmaError(error, 'ENOENT')) throw error
    throw notOpen(fd, error)
  }
}

/** That a number stands for nothing. */
export function notOpen(fd: FileDescriptor, cause: unknown): DmaError {
  return new DmaError('DMA_NOT_DMA_BUF', `descriptor ${fd} is not open`, {
    hint: 'was it closed before, or is it another process’s? that has to send it, or see dmaBufOfProcess()',
    cause,
  })
}

/** Undefined for what is no dma-buf. */
export function parseInfo(text: string): DmaBufInfo | undefined {
  const exporter = fieldOf(text, 'exp_name')
  if (exporter === undefined) return undefined
  return {
    size: Number(fieldOf(text, 'size')),
    references: Number(fieldOf(text, 'count')),
    exporter,
    // An empty name is one that was taken back.
    name: fieldOf(text, 'name') || undefined,
    inode: Number(fieldOf(text, 'ino') ?? 0),
    access: accessOf(text),
  }
}

/** How a descriptor was opened, by its text in fdinfo. */
export function accessOf(text: string): DmaBufInfo['access'] {
  return ACCESS_MODES[Number.parseInt(fieldOf(text, 'flags') ?? '2', 8) & 3] ?? 'read-write'
}

/** The first line counts: what follows a line feed in somebody's name comes last. */
function fieldOf(text: string, field: string): string | undefined {
  const start = `${field}:\t`
  return text
    .split('\n')
    .find((line) => line.startsWith(start))
    ?.slice(start.length)
}

function nameOf(kernel: Kernel, fd: FileDescriptor): string {
  try {
    return kernel.readLink(`/proc/self/fd/${fd}`)
  } catch {
    return 'a file without a name'
  }
}
