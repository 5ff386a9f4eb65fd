import { type MemoryRange, pageSize, Storage, type StorageMirror, settleMirrors } from './storage'

/** A stretch of a mirror, and the memory that it shows. */
interface MirroredPiece {
  /** Where it begins in the mirror, in bytes. */
  readonly at: number
  readonly source: MemoryRange
}

/**
 * Memory in one piece that shows pieces of other memory, where no ArrayBuffer can be all of them: what a program maps of a
 * dma-buf of several memfds, or of one page many times.
 *
 * It is a copy, and is made equal to its pieces whenever the kernel or a device looks: what changed against the last
 * time, byte by byte, goes to the other side. Where both sides changed a byte, the mirror's wins. Between two looks the
 * program sees two memories, which Linux would show as one.
 */
export class Mirror extends Storage implements StorageMirror {
  readonly #pieces: readonly MirroredPiece[]
  /** The bytes as both sides had them the last time. */
  readonly #agreed: Uint8Array
  /** All mirrors of the machine. */
  readonly #all: Set<StorageMirror>

  constructor(sources: readonly MemoryRange[], all: Set<StorageMirror>, onFree: () => void) {
    const byteLength = sources.reduce((sum, source) => sum + source.byteLength, 0)
    // It has no frames of its own: nothing can pin it, and no device finds it.
    super(byteLength, 0, undefined, onFree)
    let at = 0
    this.#pieces = sources.map((source) => {
      const piece = { at, source }
      at += source.byteLength
      return piece
    })
    this.#agreed = new Uint8Array(byteLength)
    this.#all = all
    settleMirrors(all)
    this.distribute()
    all.add(this)
    for (const { storage } of sources) storage.mirrors.add(this)
  }

  override settle(): void {
    settleMirrors(this.#all)
  }

  override unmap(writable: boolean, detach: boolean): void {
    this.settle()
    super.unmap(writable, detach)
  }

  /** Nobody looks at it any more. Idempotent. */
  remove(): void {
    this.#all.delete(this)
    for (const { source } of this.#pieces) source.storage.mirrors.delete(this)
  }

  /** Gives to the pieces what the program wrote here. */
  collect(): void {
    for (const [mine, agreed, source] of this.#sides()) {
      if (Buffer.compare(mine, agreed) === 0) continue
      for (let page = 0; page < mine.length; page += pageSize) copyChanges(mine, agreed, source, page)
    }
  }

  /** Shows what the pieces have. */
  distribute(): void {
    for (const [mine, agreed, source] of this.#sides()) {
      if (Buffer.compare(mine, source) !== 0) mine.set(source)
      if (Buffer.compare(agreed, source) !== 0) agreed.set(source)
    }
  }

  *#sides(): Generator<[mine: Uint8Array, agreed: Uint8Array, source: Uint8Array]> {
    for (const { at, source } of this.#pieces) {
      const { storage, byteOffset, byteLength } = source
      yield [
        this.view(at, byteLength),
        this.#agreed.subarray(at, at + byteLength),
        storage.view(byteOffset, byteLength),
      ]
    }
  }
}

/** Copies the bytes of one page that changed. */
function copyChanges(changed: Uint8Array, before: Uint8Array, target: Uint8Array, page: number): void {
  const [now, then, there] = [changed, before, target].map((bytes) => bytes.subarray(page, page + pageSize))
  if (Buffer.compare(now!, then!) === 0) return
  // Nobody else wrote to the page: all of it can go at once.
  if (Buffer.compare(there!, then!) === 0) {
    there!.set(now!)
    return
  }
  for (let index = 0; index < pageSize; index++) {
    const byte = now![index]!
    if (byte !== then![index]) there![index] = byte
  }
}
