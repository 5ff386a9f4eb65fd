import type { Kernel } from '@linux-dma/native'
import type { DmaBuf, DmaBufOrigin } from './dma-buf'
import type { DmaBufInfo } from './info'

/** Buffers of known memory that are open; a forgotten one is not kept by being in here. */
const known = /* @__PURE__ */ new WeakMap<Kernel, Set<WeakRef<DmaBuf>>>()

/** Notes of which memory a buffer is made. */
export function noteKnown(kernel: Kernel, buffer: WeakRef<DmaBuf>): void {
  const buffers = known.get(kernel) ?? new Set()
  known.set(kernel, buffers)
  buffers.add(buffer)
}

/** Forgets one that was closed. */
export function forgetKnown(kernel: Kernel, buffer: WeakRef<DmaBuf>): void {
  known.get(kernel)?.delete(buffer)
}

/**
 * Of which memory a buffer is that came by its descriptor, where it was made here: its views are then of that memory, as those of the
 * first one are.
 */
export function knownOrigin(kernel: Kernel, { size, inode }: DmaBufInfo): DmaBufOrigin | undefined {
  const buffers = known.get(kernel) ?? new Set()
  for (const entry of buffers) {
    const buffer = entry.deref()
    if (buffer === undefined) buffers.delete(entry)
    else if (buffer.size === size && inodeOf(buffer) === inode) return buffer.origin
  }
  return undefined
}

/** Undefined where it cannot be read: that is no reason to refuse another buffer. */
function inodeOf(buffer: DmaBuf): number | undefined {
  try {
    return buffer.inode
  } catch {
    return undefined
  }
}
