import type { DmaEvents } from '@linux-dma/native'
import type { TraceLog } from '../trace-log'
import type { SharedMemory } from './shared-memory'

/** Notes what becomes of mappings, and tells who was told of it before, too. */
export function recordedEvents(
  log: TraceLog,
  memory: SharedMemory,
  others: DmaEvents | undefined,
): DmaEvents {
  /** By number in the trace, what the others call a mapping. */
  const theirs = new Map<number, number>()
  const theirBytes = (bytes: Uint8Array | undefined) => (others?.bytes ? bytes : undefined)
  return {
    bytes: log.bytes || others?.bytes === true,
    onMap(device, address, byteLength, direction, family, at, bytes) {
      const mapping = log.onMap(device, address, byteLength, direction, family, at, bytes)
      if (others) {
        const given = theirBytes(bytes)
        theirs.set(mapping, others.onMap(device, address, byteLength, direction, family, at, given))
      }
      if (family === 'coherent' && bytes) memory.add({ device, mapping, address, bytes })
      return mapping
    },
    onSync(device, mapping, to, address, byteLength, bytes) {
      log.onSync(device, mapping, to, address, byteLength, bytes)
      others?.onSync(device, theirs.get(mapping)!, to, address, byteLength, theirBytes(bytes))
    },
    onUnmap(device, mapping, address, byteLength, bytes) {
      memory.delete(mapping)
      log.onUnmap(device, mapping, address, byteLength, bytes)
      others?.onUnmap(device, theirs.get(mapping)!, address, byteLength, theirBytes(bytes))
      theirs.delete(mapping)
    },
  }
}
