import type { Kernel } from '@linux-dma/native'

/** Below this no look at the machine is worth its time: what is left is used up by many buffers, not by one. */
const SMALL = 1024 * 1024

/**
 * Bytes that the kernel thinks can be had without swapping, where `size` is worth asking for.
 * @returns Infinity for little, and where the kernel does not tell
 */
export function availableMemory(kernel: Kernel, size: number): number {
  if (size <= SMALL) return Number.POSITIVE_INFINITY
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(kernel.readText('/proc/meminfo'))?.[1]
  return kibibytes === undefined ? Number.POSITIVE_INFINITY : Number(kibibytes) * 1024
}
