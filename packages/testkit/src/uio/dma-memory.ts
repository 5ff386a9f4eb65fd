import { fail } from '../errors'
import type { CoherentMemory } from '../iommu/kernel-dma'
import { wholePages } from '../memory/storage'
import { mapLimit, type UioParent } from './driver-info'
import { loseMapped } from './freed-memory'
import type { UioMap } from './map'

/**
 * A UIO core that gives out DMA memory by mmap, as a patch of 2008 had it: the bus address is in the first word of the
 * memory, the index in the second. It lives as long as the device is registered.
 */
export interface DmaMemoryAbi {
  /** Maps that the core adds behind the driver's own. */
  readonly slots: readonly UioMap[]
  /** Whether a page offset of mmap means DMA memory. */
  claims(index: number): boolean
  /** The map that a claimed page offset means, made where that is asked for; undefined for none. `ENOMEM`, `EINVAL`. */
  map(index: number, byteLength: number): UioMap | undefined
  /** Gives all of it back. */
  free(): void
}

/** Address bits of the memory: what devices have that no driver has said more about. */
const addressBits = 32
/** A quarter of the memory below 4 GiB: no mapping may take more. */
const largest = 512 * 1024 * 1024

function allocate(parent: UioParent, byteLength: number, index: number): CoherentMemory {
  if (byteLength > largest) fail('ENOMEM', `${byteLength} bytes are more than a quarter of the memory`)
  const memory = parent.dma.allocateCoherent(byteLength, addressBits)
  const { buffer, byteOffset } = memory.storage.bytes(0, 16)
  const words = new DataView(buffer, byteOffset)
  words.setBigUint64(0, BigInt(memory.dmaAddress), true)
  words.setBigUint64(8, BigInt(index), true)
  return memory
}

/** The page offset that allocates, and the number of the first region. */
const magicIndex = 0xfffff
const firstRegion = 1000

/** The patch's own interface: one offset allocates each time, the index of what it gave maps that again. */
export class MagicOffset implements DmaMemoryAbi {
  readonly slots = []
  readonly #parent: UioParent
  readonly #onRegion: (index: number, map: UioMap) => void
  readonly #regions: { readonly map: UioMap; readonly memory: CoherentMemory }[] = []

  constructor(parent: UioParent, onRegion: (index: number, map: UioMap) => void) {
    this.#parent = parent
    this.#onRegion = onRegion
  }

  claims(index: number): boolean {
    return index >= firstRegion
  }

  map(index: number, byteLength: number): UioMap | undefined {
    return index === magicIndex ? this.#add(wholePages(byteLength)) : this.#regions[index - firstRegion]?.map
  }

  free(): void {
    this.#regions.forEach(({ memory }, index) => {
      loseMapped(memory, `DMA memory ${firstRegion + index}`, this.#parent)
      memory.free()
    })
    this.#regions.length = 0
  }

  #add(byteLength: number): UioMap {
    const index = firstRegion + this.#regions.length
    const memory = allocate(this.#parent, byteLength, index)
    const { storage, hasPages, dmaAddress } = memory
    const map: UioMap = {
      name: 'dma',
      kind: 'dma-coherent',
      byteLength,
      byteOffset: 0,
      address: BigInt(dmaAddress),
      content: { storage, hasPages },
    }
    this.#regions.push({ map, memory })
    this.#onRegion(index, map)
    return map
  }
}

/** The bit of the page offset that means DMA memory; the map's number is in those below. */
const flag = 0x10000
/** What the core offers behind the maps of any driver. */
const coreSlots = [
  { name: 'dma0', byteLength: 64 * 1024 },
  { name: 'dma1', byteLength: 1024 * 1024 },
]

/** A map of a size, whose memory is allocated when it is mapped through the flag for the first time. */
export class DmaSlot implements UioMap {
  readonly kind = 'none'
  readonly byteOffset = 0
  readonly content = undefined
  #memory: CoherentMemory | undefined

  constructor(
    readonly name: string,
    readonly byteLength: number,
  ) {}

  get address(): bigint {
    return BigInt(this.#memory?.dmaAddress ?? 0)
  }

  /** The slot as it is mapped, with its memory. `ENOMEM`. */
  mapped(parent: UioParent, index: number): UioMap {
    this.#memory ??= allocate(parent, this.byteLength, index)
    const { storage, hasPages } = this.#memory
    const { name, byteLength, byteOffset, address } = this
    return { name, byteLength, byteOffset, address, kind: 'dma-coherent', content: { storage, hasPages } }
  }

  free(parent: UioParent): void {
    if (this.#memory === undefined) return
    loseMapped(this.#memory, `DMA memory '${this.name}'`, parent)
    this.#memory.free()
    this.#memory = undefined
  }
}

/** What the patch's review asked for: a flag in the offset, and the map that it is about in the rest. */
export class FlaggedOffset implements DmaMemoryAbi {
  readonly slots: readonly DmaSlot[]
  readonly #own: readonly UioMap[]
  readonly #parent: UioParent

  constructor(parent: UioParent, own: readonly UioMap[]) {
    this.#parent = parent
    this.#own = own
    this.slots = coreSlots
      .slice(0, Math.max(0, mapLimit - own.length))
      .map(({ name, byteLength }) => new DmaSlot(name, byteLength))
  }

  claims(index: number): boolean {
    return index >= flag && index < 2 * flag
  }

  map(index: number, byteLength: number): UioMap | undefined {
    const number = index - flag
    const slot = [...this.#own, ...this.slots][number]
    if (!(slot instanceof DmaSlot)) return undefined
    if (wholePages(byteLength) > slot.byteLength) fail('EINVAL', `the slot has ${slot.byteLength} bytes`)
    return slot.mapped(this.#parent, number)
  }

  free(): void {
    for (const slot of [...this.#own, ...this.slots]) {
      if (slot instanceof DmaSlot) slot.free(this.#parent)
    }
  }
}
