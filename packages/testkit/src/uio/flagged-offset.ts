import { fail } from '../errors'
import type { CoherentMemory } from '../iommu/kernel-dma'
import { wholePages } from '../memory/storage'
import { allocateDmaMemory, type DmaMemoryAbi } from './dma-memory'
import { mapLimit, type UioParent } from './driver-info'
import { loseMapped } from './freed-memory'
import type { UioMap } from './map'

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
    this.#memory ??= allocateDmaMemory(parent, this.byteLength, index)
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
