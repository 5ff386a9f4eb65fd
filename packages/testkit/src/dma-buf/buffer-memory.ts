import { fail } from '../errors'
import { Mirror } from '../memory/mirror'
import type { MemoryRange, StorageMirror } from '../memory/storage'

/** The memory of a dma-buf: one range of one storage, or several. It stays as long as the buffer does. */
export class BufferMemory {
  readonly byteLength: number
  /** Neighbours joined. */
  readonly #pieces: readonly MemoryRange[]
  readonly #mirrors: Set<StorageMirror>
  readonly #onRelease: () => void
  /** What the program maps of several pieces: there as long as anybody looks at it. */
  #mirror: Mirror | undefined

  constructor(pieces: readonly MemoryRange[], mirrors: Set<StorageMirror>, onRelease: () => void = () => {}) {
    this.#pieces = join(pieces)
    this.#mirrors = mirrors
    this.#onRelease = onRelease
    this.byteLength = pieces.reduce((sum, piece) => sum + piece.byteLength, 0)
    for (const { storage } of this.#pieces) storage.pin()
  }

  /** All of it in one piece. `ENOMEM`. */
  whole(): MemoryRange {
    const [first] = this.#pieces
    if (this.#pieces.length === 1) return first!
    this.#mirror ??= this.#makeMirror()
    return { storage: this.#mirror, byteOffset: 0, byteLength: this.byteLength, pinnable: false }
  }

  /** What the CPU wrote gets to where devices look, where that is not the same. */
  clean(): void {
    for (const { storage, byteOffset, byteLength } of this.#pieces) {
      storage.cache?.clean(byteOffset, byteOffset + byteLength)
    }
  }

  /**
   * What devices wrote gets to where the CPU looks. What the CPU wrote without a word gets to memory first, as where the cache happened
   * to write it back: programs may have written to the memory before, and by other ways.
   */
  invalidate(): void {
    this.clean()
    for (const { storage, byteOffset, byteLength } of this.#pieces) {
      storage.cache?.invalidate(byteOffset, byteOffset + byteLength)
      storage.settle()
    }
  }

  release(): void {
    this.#mirror?.remove()
    for (const { storage } of this.#pieces) storage.unpin()
    this.#onRelease()
  }

  #makeMirror(): Mirror {
    try {
      return new Mirror(this.#pieces, this.#mirrors, () => {
        this.#mirror?.remove()
        this.#mirror = undefined
      })
    } catch (error) {
      // The ArrayBuffer of this very host was refused.
      if (!(error instanceof RangeError)) throw error
      return fail('ENOMEM', `this host cannot give ${this.byteLength} bytes to the fake machine`)
    }
  }
}

function join(pieces: readonly MemoryRange[]): MemoryRange[] {
  const joined: MemoryRange[] = []
  for (const piece of pieces) {
    const { storage, byteOffset, byteLength } = piece
    const last = joined.at(-1)
    if (last?.storage === storage && last.byteOffset + last.byteLength === byteOffset) {
      joined[joined.length - 1] = { ...last, byteLength: last.byteLength + byteLength }
    } else {
      joined.push(piece)
    }
  }
  return joined
}
