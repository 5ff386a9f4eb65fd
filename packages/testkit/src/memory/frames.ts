import { fail } from '../errors'
import type { Random } from '../prng'
import { LowMemory } from './low-memory'
import { type MemoryRange, pageSize, Storage, wholePages } from './storage'

/** The one size of huge page that the fake machine has: 2 MiB. */
export const hugePageSize = 0x200000

/** Huge pages that lie low at all lie below this frame, at 256 MiB: a device with 28 address bits reaches them. */
const lowHugePages = 0x1_0000

/**
 * The physical memory of the fake machine: gives each storage its page frames. Base pages are laid out backwards,
 * so that two neighbours in a buffer are never neighbours to a device; the frames of a huge page run forwards. Below 4 GiB lies
 * what the kernel's own drivers take in one piece, and some huge pages; base pages of programs never do.
 */
export class FrameAllocator {
  /** What the memory of programs goes by, on a machine whose devices do not look into the CPU's caches. */
  caches: { cover(storage: Storage): void } | undefined
  /** Every storage there is. */
  readonly #storages: Storage[] = []
  #next: number
  /** How many single huge pages were ever taken. */
  #singleHugePages = 0
  /** What the kernel's drivers have. */
  readonly lowMemory = new LowMemory()
  /** The frame that the memory of programs begins with: at 4 GiB, out of reach of a device with 32 address bits. */
  readonly lowestFrame = 0x100000

  constructor(random: Random) {
    this.#next = this.lowestFrame + random.integer(0x1000) * 512
  }

  allocate(byteLength: number, huge: number | undefined, onFree: () => void): Storage {
    const pages = wholePages(byteLength) / pageSize
    if (huge !== undefined && this.#isLow(pages)) {
      const firstFrame = this.lowMemory.take(pages, lowHugePages)
      const free = () => {
        this.lowMemory.give(firstFrame)
        onFree()
      }
      return this.#make(byteLength, firstFrame, huge, true, free)
    }
    const firstFrame = this.#next
    this.#next += Math.ceil(pages / 512) * 512
    return this.#make(byteLength, firstFrame, huge, huge !== undefined, onFree)
  }

  /** Of single huge pages every fourth: a device with few address bits finds one only by trying several. */
  #isLow(pages: number): boolean {
    return pages * pageSize === hugePageSize && ++this.#singleHugePages % 4 === 0
  }

  /**
   * Memory in one piece, below 4 GiB, for a driver of the kernel: its last byte has a physical address of `addressBits` or
   * fewer. `ENOMEM`.
   */
  allocateContiguous(byteLength: number, addressBits: number): Storage {
    const pages = wholePages(byteLength) / pageSize
    const firstFrame = this.lowMemory.take(pages, 2 ** addressBits / pageSize)
    return this.#make(byteLength, firstFrame, undefined, true, () => this.lowMemory.give(firstFrame))
  }

  /** Bytes that are given out, in base pages. */
  get baseBytes(): number {
    const base = this.#storages.filter(({ hugePageSize: huge }) => huge === undefined)
    return base.reduce((sum, { byteLength }) => sum + wholePages(byteLength), 0)
  }

  #make(
    byteLength: number,
    firstFrame: number,
    huge: number | undefined,
    contiguous: boolean,
    onFree: () => void,
  ): Storage {
    const freed = (storage: Storage) => {
      this.#storages.splice(this.#storages.indexOf(storage), 1)
      onFree()
    }
    try {
      const storage = new Storage(byteLength, firstFrame, huge, freed, contiguous)
      this.#storages.push(storage)
      return storage
    } catch {
      onFree()
      // The ArrayBuffer of this very host was refused.
      return fail('ENOMEM', `this host cannot give ${byteLength} bytes to the fake machine`)
    }
  }

  /** The frame after the last one that the machine has: it never runs short. */
  get endFrame(): number {
    return this.#next + 0x100000
  }

  /** The frame number of page `page` of a storage. */
  frameOf(storage: Storage, page: number): number {
    const pages = storage.capacity / pageSize
    return storage.firstFrame + (storage.contiguous ? page : pages - 1 - page)
  }

  /** The page at a physical address, from that byte on; undefined where there is no memory. */
  atPhysicalAddress(address: number): MemoryRange | undefined {
    const frame = Math.floor(address / pageSize)
    const storage = this.#storages.find(
      (one) => frame >= one.firstFrame && frame < one.firstFrame + one.capacity / pageSize,
    )
    if (storage === undefined) return undefined
    const index = frame - storage.firstFrame
    const page = storage.contiguous ? index : storage.capacity / pageSize - 1 - index
    const within = address % pageSize
    return { storage, byteOffset: page * pageSize + within, byteLength: pageSize - within, pinnable: true }
  }
}
