import type { Kernel } from '@linux-dma/native'

/** Which frames each zone of memory spans: to be had without privileges, unlike /proc/iomem. */
const ZONES = '/proc/zoneinfo'

/**
 * The highest physical address of the machine's memory, as its zones say. They may span holes and devices too: it is no
 * lower than the last byte of memory. @throws ENOENT where the kernel tells of no zones
 */
export function lastPhysicalAddress(kernel: Kernel): number {
  let frames = 0
  for (const zone of kernel.readText(ZONES).split(/^Node /m)) {
    const spanned = Number(/^\s*spanned\s+(\d+)$/m.exec(zone)?.[1] ?? 0)
    const start = Number(/^\s*start_pfn:\s+(\d+)$/m.exec(zone)?.[1] ?? 0)
    if (spanned > 0) frames = Math.max(frames, start + spanned)
  }
  return frames * kernel.pageSize - 1
}
