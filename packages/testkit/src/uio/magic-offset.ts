import type { CoherentMemory } from '../iommu/kernel-dma'
import { wholePages } from '../memory/storage'
import { allocateDmaMemory, type DmaMemoryAbi } from './dma-memory'
import type { UioParent } from './driver-info'
import { loseMapped } from './freed-memory'
import type { UioMap } from './map'

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
    const memory = allocateDmaMemory(this.#parent, byteLength, index)
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
