import type { Storage } from '../memory/storage'
import { type DeviceWrite, UnseenWrites } from './unseen-writes'

/** Who looks at memory past the cache. */
export type DeviceAccess = Pick<DeviceWrite, 'device' | 'address' | 'time'>

/** What a cache needs of its machine. */
export interface CacheParts {
  /** Bytes in a line, a power of two that divides a page. */
  readonly lineSize: number
  /** Whether a line that could be written back now is. */
  evicts(): boolean
  /** A device read bytes that the CPU wrote and that are still in the cache. */
  onStaleRead(start: number, end: number, access: DeviceAccess): void
  /** What a device wrote is overwritten by a line of the cache, at once or whenever that line is written back. */
  onLostWrite(write: DeviceWrite): void
  /** The memory is gone, or past the caches from now on. */
  onClose(cache: WriteBackCache): void
}

/**
 * The CPU's write-back cache over one memory. The memory's own buffer is what the CPU sees; `ram` is what devices see. A third copy, of
 * the bytes as they were when a line was last the same on both sides, tells which lines the CPU wrote to: nothing else does, since
 * nobody sees who writes to an ArrayBuffer.
 *
 * A line whose bytes are what they were counts as clean, also where the CPU wrote the same value again. Lines are never filled anew by
 * chance, and of dirty ones only those are written back by chance that hold what a device wrote: what real caches do at any time would
 * hide a missing sync now and then, and this one is to show it each time.
 */
export class WriteBackCache {
  readonly storage: Storage
  readonly unseen = new UnseenWrites()
  readonly #parts: CacheParts
  /** Made at the first look of a device: memory is zeroed at first, on both sides. */
  #ram: Uint8Array | undefined
  #agreed = new Uint8Array(0)
  /** Lines that were reported, until they are the same on both sides again: a device that polls would be told of each time. */
  readonly #toldStale = new Set<number>()
  readonly #toldLost = new Set<number>()

  constructor(storage: Storage, parts: CacheParts) {
    this.storage = storage
    this.#parts = parts
  }

  /** The bytes as devices see them: not to be kept. */
  ram(byteOffset: number, byteLength: number): Uint8Array {
    return this.#memory().subarray(byteOffset, byteOffset + byteLength)
  }

  /** Writes the dirty lines of a range back: whole lines, also where the range has only a part of them. */
  clean(start: number, end: number): void {
    for (const line of this.#dirtyLines(start, end)) {
      // The range itself is handed over: the bytes beside it are others', and what a device wrote there is lost.
      this.#tellOverwritten(line, Math.min(line + this.#lineSize, start))
      this.#tellOverwritten(Math.max(line, end), line + this.#lineSize)
      this.#writeBack(line)
    }
    this.#evictAround(start, end)
  }

  /**
   * Drops the lines of a range, so that the CPU sees what is in memory. Those at its ends, where it has only a part, are cleaned first.
   * @param onDiscard told of what the CPU wrote to the others
   */
  invalidate(start: number, end: number, onDiscard?: (start: number, end: number) => void): void {
    this.#evictAround(start, end)
    const lineSize = this.#lineSize
    const first = this.#lineOf(start)
    const last = this.#lineOf(end + lineSize - 1)
    if (first < start) this.#cleanShared(first)
    if (end < last) this.#cleanShared(last - lineSize)
    if (onDiscard) for (const [from, to] of this.#written(start, end)) onDiscard(from, to)
    const ram = this.ram(first, last - first)
    this.storage.view(first, last - first).set(ram)
    this.#agreed.set(ram, first)
    this.unseen.remove(first, last)
    this.#forget(first, last)
  }

  /** A device has read a range of `ram`. */
  deviceRead(start: number, end: number, access: DeviceAccess): void {
    for (const [from, to] of this.#unsynced(start, end)) {
      this.#parts.onStaleRead(from, to, { ...access, address: access.address + from - start })
    }
    this.#evictAround(start, end)
  }

  /** A device has written to a range of `ram`. */
  deviceWrote(start: number, end: number, access: DeviceAccess): void {
    this.unseen.add({ start, end, ...access })
    for (const line of this.#dirtyLines(start, end)) {
      this.#tellLost(this.unseen.within(line, line + this.#lineSize), line)
    }
    this.#evictAround(start, end)
  }

  /** The CPU goes to this memory past the cache from now on, or nobody does any more. */
  close(): void {
    this.#parts.onClose(this)
  }

  get #lineSize(): number {
    return this.#parts.lineSize
  }

  #lineOf(offset: number): number {
    return offset - (offset % this.#lineSize)
  }

  #memory(): Uint8Array {
    if (this.#ram === undefined) {
      this.#ram = new Uint8Array(this.storage.capacity)
      this.#agreed = new Uint8Array(this.storage.capacity)
    }
    return this.#ram
  }

  /** Where the lines that the CPU wrote to begin, of those that a range touches. */
  *#dirtyLines(start: number, end: number): Generator<number> {
    const lineSize = this.#lineSize
    const first = this.#lineOf(Math.max(0, start))
    const last = Math.min(this.#lineOf(end + lineSize - 1), this.storage.capacity)
    if (first >= last || !this.#differs(first, last)) return
    for (let line = first; line < last; line += lineSize) if (this.#differs(line, line + lineSize)) yield line
  }

  #differs(start: number, end: number): boolean {
    this.#memory()
    const agreed = this.#agreed.subarray(start, end)
    return Buffer.compare(this.storage.view(start, end - start), agreed) !== 0
  }

  #writeBack(line: number): void {
    const lineSize = this.#lineSize
    const bytes = this.storage.view(line, lineSize)
    this.#memory().set(bytes, line)
    this.#agreed.set(bytes, line)
    this.unseen.remove(line, line + lineSize)
    this.#forget(line, line + lineSize)
  }

  /** A line that the range of an invalidation has only a part of. */
  #cleanShared(line: number): void {
    if (!this.#differs(line, line + this.#lineSize)) return
    this.#tellOverwritten(line, line + this.#lineSize)
    this.#writeBack(line)
  }

  /** Some dirty lines in which a device wrote are written back, as a cache does it whenever it needs the room. */
  #evictAround(start: number, end: number): void {
    const lineSize = this.#lineSize
    const [from, to] = [this.#lineOf(start) - lineSize, end + lineSize]
    if (this.unseen.within(from, to).length === 0) return
    for (const line of this.#dirtyLines(from, to)) {
      if (this.unseen.within(line, line + lineSize).length === 0 || !this.#parts.evicts()) continue
      this.#tellOverwritten(line, line + lineSize)
      this.#writeBack(line)
    }
  }

  /** What a device wrote to a part of a line that is written back now. What the CPU has written to itself, it has done with. */
  #tellOverwritten(start: number, end: number): void {
    if (start >= end) return
    const writes = this.unseen.within(start, end)
    this.#tellLost(
      writes.filter((write) => !this.#differs(write.start, write.end)),
      this.#lineOf(start),
    )
  }

  #tellLost(writes: readonly DeviceWrite[], line: number): void {
    if (writes.length === 0 || this.#toldLost.has(line)) return
    this.#toldLost.add(line)
    for (const write of writes) this.#parts.onLostWrite(write)
  }

  /** The bytes of a range, line by line and joined, that the CPU wrote and memory has not got. */
  *#unsynced(start: number, end: number): Generator<[from: number, to: number]> {
    let found: [number, number] | undefined
    for (const line of this.#dirtyLines(start, end)) {
      const part = this.#unsyncedIn(Math.max(line, start), Math.min(line + this.#lineSize, end))
      if (part === undefined || this.#toldStale.has(line)) continue
      this.#toldStale.add(line)
      if (found !== undefined && this.#lineOf(found[1] - 1) + this.#lineSize === line) found[1] = part[1]
      else {
        if (found !== undefined) yield found
        found = part
      }
    }
    if (found !== undefined) yield found
  }

  /** The bytes that the CPU wrote, lines joined, where nothing was told of it yet: a device that read there was. */
  *#written(start: number, end: number): Generator<[from: number, to: number]> {
    let found: [number, number] | undefined
    for (const line of this.#dirtyLines(start, end)) {
      if (this.#toldLost.has(line) || this.#toldStale.has(line)) continue
      const ours = this.storage.view(line, this.#lineSize)
      const isWritten = (byte: number, index: number) => byte !== this.#agreed[line + index]
      const [from, to] = [line + ours.findIndex(isWritten), line + ours.findLastIndex(isWritten) + 1]
      if (found !== undefined && this.#lineOf(found[1] - 1) + this.#lineSize === line) found[1] = to
      else {
        if (found !== undefined) yield found
        found = [from, to]
      }
    }
    if (found !== undefined) yield found
  }

  #unsyncedIn(start: number, end: number): [number, number] | undefined {
    const ours = this.storage.view(start, end - start)
    const ram = this.ram(start, end - start)
    const isUnsynced = (byte: number, index: number) =>
      byte !== this.#agreed[start + index] && byte !== ram[index]
    const first = ours.findIndex(isUnsynced)
    return first < 0 ? undefined : [start + first, start + ours.findLastIndex(isUnsynced) + 1]
  }

  #forget(start: number, end: number): void {
    if (this.#toldStale.size + this.#toldLost.size === 0) return
    for (let line = start; line < end; line += this.#lineSize) {
      this.#toldStale.delete(line)
      this.#toldLost.delete(line)
    }
  }
}
