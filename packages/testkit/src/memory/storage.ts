import type { WriteBackCache } from '../coherence/write-back-cache'
import type { OpenFile } from '../kernel/open-file'

/** Bytes in a base page, on every fake machine. */
export const pageSize = 4096

/** Rounds up to whole pages. */
export function wholePages(byteLength: number): number {
  return Math.ceil(byteLength / pageSize) * pageSize
}

/** A part of a storage, in bytes. */
export interface MemoryRange {
  readonly storage: Storage
  readonly byteOffset: number
  readonly byteLength: number
  /** Page-frame mappings (a dma-buf's, a driver's) have no pages that the kernel could pin for VFIO, or show in pagemap. */
  readonly pinnable: boolean
  /** Whether a mapping that is for reading could be made one for writing: it then keeps F_SEAL_WRITE away as that would. */
  readonly mayWrite?: boolean
  /** What stays open as long as this is mapped: a file whose last close has an effect. */
  readonly file?: OpenFile
}

/** Memory that shows parts of others: see `Mirror`. */
export interface StorageMirror {
  /** Gives to what is mirrored what the program wrote to the mirror. */
  collect(): void
  /** Shows what is mirrored as it is now. */
  distribute(): void
}

/** Makes mirrors and what they show equal: first all that was written to them is collected, then all of it is shown. */
export function settleMirrors(mirrors: ReadonlySet<StorageMirror>): void {
  for (const mirror of mirrors) mirror.collect()
  for (const mirror of mirrors) mirror.distribute()
}

/**
 * The pages behind a memfd: one ArrayBuffer, which every mapping is a view of and every device access goes to.
 *
 * A storage lives as long as a file, a mapping or a pin refers to it. When the last mapping closes, its content
 * moves to a fresh ArrayBuffer and the old one is zeroed ("parking"): what still holds a view of the old one reads
 * zeros, and its writes are seen through such views alone, while a device goes on with the fresh one. Two mappings of
 * one storage share the ArrayBuffer, so a view that outlives its mapping still sees the bytes until the other mapping
 * closes too.
 */
export class Storage {
  readonly byteLength: number
  /** Device accesses and reads of the file hold on to this object, never to the buffer. */
  #buffer: ArrayBuffer
  /** Whether the program may have a view of the buffer. */
  #exposed = false
  #references = 0
  #mappings = 0
  #writableMappings = 0
  #pins = 0
  /** What shows parts of this memory among those of others. */
  readonly mirrors = new Set<StorageMirror>()
  /** What lies between programs and this memory, where devices do not look into it. */
  cache: WriteBackCache | undefined = undefined

  constructor(
    byteLength: number,
    /** First page frame: see `FrameAllocator`. */
    readonly firstFrame: number,
    readonly hugePageSize: number | undefined,
    readonly onFree: (storage: Storage) => void,
    /** Whether the frames run forwards: the memory is one piece to a device. */
    readonly contiguous = hugePageSize !== undefined,
  ) {
    this.byteLength = byteLength
    this.#buffer = new ArrayBuffer(wholePages(byteLength))
  }

  /** Bytes in whole pages. */
  get capacity(): number {
    return this.#buffer.byteLength
  }

  get pinned(): boolean {
    return this.#pins > 0
  }

  get mapped(): boolean {
    return this.#mappings > 0
  }

  get mappedWritable(): boolean {
    return this.#writableMappings > 0
  }

  /** The bytes as the kernel sees them: not to be kept. Who writes to them calls `settle()` then. */
  bytes(byteOffset: number, byteLength: number): Uint8Array {
    this.settle()
    return this.view(byteOffset, byteLength)
  }

  /** The bytes as devices see them: not to be kept. Who writes to them calls `settle()` then. */
  deviceBytes(byteOffset: number, byteLength: number): Uint8Array {
    return this.cache?.ram(byteOffset, byteLength) ?? this.bytes(byteOffset, byteLength)
  }

  /** Whether a view is one that `expose` gave of the memory, or a part of one. */
  isShownBy(view: ArrayBufferView): boolean {
    return view.buffer === this.#buffer
  }

  /** The bytes, without a look at what mirrors have: not to be kept. */
  view(byteOffset: number, byteLength: number): Uint8Array {
    return new Uint8Array(this.#buffer, byteOffset, byteLength)
  }

  /** Makes this memory and what mirrors it the same again. */
  settle(): void {
    if (this.mirrors.size > 0) settleMirrors(this.mirrors)
  }

  /** The bytes as the program sees them: a view that it may keep. */
  expose(byteOffset: number, byteLength: number): Uint8Array {
    this.#exposed = true
    return this.bytes(byteOffset, byteLength)
  }

  retain(): void {
    this.#references++
  }

  release(): void {
    this.#references--
    if (this.#references > 0) return
    this.cache?.close()
    this.#buffer = new ArrayBuffer(0)
    this.onFree(this)
  }

  pin(): void {
    this.#pins++
    this.retain()
  }

  unpin(): void {
    this.#pins--
    this.release()
  }

  map(writable: boolean): void {
    this.#mappings++
    if (writable) this.#writableMappings++
    this.retain()
  }

  unmap(writable: boolean, detach: boolean): void {
    this.#mappings--
    if (writable) this.#writableMappings--
    if (this.#mappings === 0 && (this.#exposed || detach)) this.#park(detach)
    this.release()
  }

  #park(detach: boolean): void {
    const old = this.#buffer
    // The last reference is about to go: nobody is left to see the content.
    this.#buffer = this.#references > 1 ? old.slice(0) : new ArrayBuffer(0)
    this.#exposed = false
    if (detach) structuredClone(old, { transfer: [old] })
    else new Uint8Array(old).fill(0)
  }
}
