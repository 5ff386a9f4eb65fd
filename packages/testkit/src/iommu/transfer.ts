import type { DmaPath, DmaSegment } from './dma-path'

/**
 * Moves bytes between a device and what its path leads to. Tells of each stretch that was refused, which reads as zeros, and of each
 * that was in memory, once it is moved. Returns whether all bytes went.
 */
export function transferThrough(
  path: DmaPath,
  start: number,
  bytes: Uint8Array,
  direction: 'read' | 'write',
  onRefused: (address: number, byteLength: number) => void,
  onMoved?: (address: number, segment: DmaSegment) => void,
): boolean {
  let done = 0
  /** Where the stretch of refused bytes under way began. */
  let refusedFrom: number | undefined
  let complete = true
  const endRefused = () => {
    if (refusedFrom !== undefined) onRefused(start + refusedFrom, done - refusedFrom)
    refusedFrom = undefined
  }
  while (done < bytes.length) {
    const segment = path.translate(start + done, bytes.length - done, direction)
    const { byteLength, memory, storage, registers } = segment
    const part = bytes.subarray(done, done + byteLength)
    if (registers !== undefined) {
      endRefused()
      registers.peer.access(registers.byteOffset, part, direction)
    } else if (memory === undefined) {
      refusedFrom ??= done
      complete = false
      if (direction === 'read') part.fill(0)
    } else {
      endRefused()
      if (direction === 'read') part.set(memory)
      else {
        memory.set(part)
        storage?.settle()
      }
      onMoved?.(start + done, segment)
    }
    done += byteLength
  }
  endRefused()
  return complete
}
