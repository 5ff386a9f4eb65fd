import { fail } from '../errors'
import type { Random } from '../prng'
import { type MemoryRange, pageSize, Storage, wholePages } from './storage'

/** The one size of huge page that the fake machine has: 2 MiB. */
export const hugePageSize = 0x200000

/**
 * The physical memory of the fake machine: gives each storage its page frames. Base pages are laid out backwards,
 * so that two neighbours in a buffer are never neighbours to a device; the frames of a huge page run forwards.
 */
export class FrameAllocator {
  /** Storages in the order of their first frame. */
  readonly #storages: Storage[] = []
  #next: number
  /** The frame that the machine's memory begins with: at 4 GiB, out of reach of a device with 32 address bits. */
  readonly lowestFrame = 0x100000

  constructor(random: Random) {
    this.#next = this.lowestFrame + random.integer(0x1000) * 512
  }

  allocate(byteLength: number, huge: number | undefined, onFree: () => void): Storage {
    const pages = wholePages(byteLength) / pageSize
    const firstFrame = this.#next
    this.#next += Math.ceil(pages / 512) * 512
    const freed = (storage: Storage) => {
      this.#storages.splice(this.#storages.indexOf(storage), 1)
      onFree()
    }
    try {
      const storage = new Storage(byteLength, firstFrame, huge, freed)
      this.#storages.push(storage)
      return storage
    } catch {
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
    return storage.firstFrame + (storage.hugePageSize === undefined ? pages - 1 - page : page)
  }

  /** The page at a physical address, from that byte on; undefined where there is no memory. */
  atPhysicalAddress(address: number): MemoryRange | undefined {
    const frame = Math.floor(address / pageSize)
    const storage = this.#storages.find(
      (one) => frame >= one.firstFrame && frame < one.firstFrame + one.capacity / pageSize,
    )
    if (storage === undefined) return undefined
    const index = frame - storage.firstFrame
    const page = storage.hugePageSize === undefined ? storage.capacity / pageSize - 1 - index : index
    const within = address % pageSize
    return { storage, byteOffset: page * pageSize + within, byteLength: pageSize - within, pinnable: true }
  }
}
