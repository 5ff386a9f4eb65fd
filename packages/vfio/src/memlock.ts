import type { Kernel } from '@linux-dma/core'

/**
 * What to do about ENOMEM from VFIO_IOMMU_MAP_DMA: the memory that is pinned counts against the process's memory-lock
 * limit, and the kernel says so only in its log.
 */
export function memlockHint(kernel: Kernel, needed: number): string {
  const limit = memlockLimit(kernel)
  const locked = lockedBytes(kernel)
  if (limit === undefined || (locked ?? 0) + needed <= limit) {
    return 'the memory-lock limit is not the cause: the machine is out of memory, or a cgroup limit is reached'
  }
  const total = (locked ?? 0) + needed
  const kibibytes = Math.ceil(total / 1024)
  return (
    `the memory-lock limit is ${limit} bytes, ${locked ?? 'an unknown number of'} bytes are locked and ${needed} more are needed: ` +
    `raise it to ${total} bytes or more with 'ulimit -l ${kibibytes}' before the start, 'LimitMEMLOCK=${total}' in a systemd unit, ` +
    `or '* hard memlock ${kibibytes}' and '* soft memlock ${kibibytes}' in /etc/security/limits.conf`
  )
}

function memlockLimit(kernel: Kernel): number | undefined {
  const soft = /^Max locked memory\s+(\S+)/m.exec(read(kernel, '/proc/self/limits'))?.[1]
  if (soft === undefined) return undefined
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
}

function lockedBytes(kernel: Kernel): number | undefined {
  const kibibytes = /^VmLck:\s+(\d+) kB/m.exec(read(kernel, '/proc/self/status'))?.[1]
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024
}

/** A hint must not fail: without /proc it only says less. */
function read(kernel: Kernel, path: string): string {
  try {
    return kernel.readText(path)
  } catch {
    return ''
  }
}
