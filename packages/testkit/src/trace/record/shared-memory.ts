import type { TraceLog } from '../trace-log'

/** Memory that a device and the CPU share. */
interface Shared {
  readonly device: string
  readonly mapping: number
  readonly address: number
  readonly bytes: Uint8Array
}

/**
 * Coherent memory, in which bytes change hands without a call. A program says by a register write that it has written there, and a device
 * by an interrupt: there it is looked at, and what changed since the last time is noted as a sync.
 */
export class SharedMemory {
  readonly #log: TraceLog
  readonly #limit: number
  readonly #all = new Map<number, Shared & { readonly seen: Uint8Array }>()

  /** @param limit bytes at the start of each that are looked at */
  constructor(log: TraceLog, limit: number) {
    this.#log = log
    this.#limit = limit
  }

  add(shared: Shared): void {
    const bytes = shared.bytes.subarray(0, this.#limit)
    this.#all.set(shared.mapping, { ...shared, bytes, seen: bytes.slice() })
  }

  delete(mapping: number): void {
    this.#all.delete(mapping)
  }

  /** Notes what changed in the memory of a device. @param to who gets to see it now */
  look(device: string, to: 'cpu' | 'device'): void {
    for (const shared of this.#all.values()) {
      if (shared.device !== device) continue
      const { mapping, address, bytes, seen } = shared
      let start = 0
      while (start < bytes.length && bytes[start] === seen[start]) start++
      if (start === bytes.length) continue
      let end = bytes.length
      while (bytes[end - 1] === seen[end - 1]) end--
      const changed = bytes.subarray(start, end)
      seen.set(changed, start)
      this.#log.onSync(device, mapping, to, address + start, changed.byteLength, changed)
    }
  }
}
