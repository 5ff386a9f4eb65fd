import type { Kernel } from '@linux-dma/native'

const PARAMETERS = '/sys/module/udmabuf/parameters'

/** How large a udmabuf may be: the module's parameters, for root to change at any time. */
export interface UdmabufLimits {
  /** Bytes in one buffer, all pieces together. */
  readonly size: number
  /** Pieces in one buffer. */
  readonly pieces: number
}

/**
 * Reads what the kernel bounds every single udmabuf by. What all of them hold together it does not bound: see
 * {@link DmaBufBudget}.
 * @throws ENOENT where the kernel has no udmabuf
 */
export function readLimits(kernel: Kernel): UdmabufLimits {
  const read = (name: string) => Number(kernel.readText(`${PARAMETERS}/${name}`))
  return { size: read('size_limit_mb') * 1024 * 1024, pieces: read('list_limit') }
}

/** What root types to raise one. */
export function raiseLimit(name: 'size_limit_mb' | 'list_limit', to: number): string {
  return (
    `as root: echo ${to} > ${PARAMETERS}/${name}; for good, where udmabuf is built in: udmabuf.${name}=${to} on the kernel's ` +
    `command line, or 'options udmabuf ${name}=${to}' in /etc/modprobe.d`
  )
}
