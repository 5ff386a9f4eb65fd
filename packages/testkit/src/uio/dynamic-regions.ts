import { SystemFailure } from '../errors'
import type { CoherentMemory } from '../iommu/kernel-dma'
import { kernelAddress } from '../memory/kernel-address'
import type { PlatformDevice } from '../platform/device'
import { type MapContent, noAddress, type UioMap } from './map'

/** Address bits of dynamic regions, whatever the device has. */
const regionBits = 32

/** The memory of a device that uio_dmem_genirq drives: allocated at the first open, freed at the last close. */
export class DynamicRegions {
  readonly maps: readonly UioMap[]
  readonly #device: PlatformDevice
  readonly #sizes: readonly number[]
  readonly #showsBusAddress: boolean
  readonly #memory: (CoherentMemory | undefined)[] = []
  /** What programs map in place of the memory, where the two are not the same. */
  readonly #mistaken: (CoherentMemory | undefined)[] = []
  #opens = 0

  constructor(device: PlatformDevice, sizes: readonly number[], showsBusAddress: boolean) {
    this.#device = device
    this.#sizes = sizes
    this.#showsBusAddress = showsBusAddress
    this.maps = sizes.map((byteLength, index) => this.#map(byteLength, index))
  }

  opened(): void {
    this.#opens++
    if (this.#opens > 1) return
    this.#sizes.forEach((byteLength, index) => {
      this.#memory[index] = this.#allocate(byteLength)
      if (this.#showsBusAddress && this.#memory[index]?.hasPages) this.#mistake(byteLength, index)
    })
  }

  closed(): void {
    this.#opens--
    if (this.#opens > 0) return
    for (const memory of [...this.#memory, ...this.#mistaken]) memory?.free()
    this.#memory.length = 0
    this.#mistaken.length = 0
  }

  /** The device was unbound: who closes it from now on frees nothing, as on Linux. */
  abandoned(): void {
    const lost = this.#memory.reduce((sum, memory) => sum + (memory?.storage.byteLength ?? 0), 0)
    if (lost === 0) return
    this.#device.log(`uio_dmem_genirq was unbound while the device was open: ${lost} bytes are never freed`)
  }

  /** An allocation that fails is not reported: there is no address then. */
  #allocate(byteLength: number): CoherentMemory | undefined {
    try {
      return this.#device.dma.allocateCoherent(byteLength, regionBits)
    } catch (error) {
      if (error instanceof SystemFailure) return undefined
      throw error
    }
  }

  /** Before 6.9 the driver maps the physical address that its DMA address would be: behind an IOMMU, other memory. */
  #mistake(byteLength: number, index: number): void {
    this.#mistaken[index] = this.#allocate(byteLength)
    this.#device.log(
      'uio_dmem_genirq takes its DMA address for a physical one: what programs map is not what the device reaches',
    )
  }

  #map(byteLength: number, index: number): UioMap {
    const memory = () => this.#memory[index]
    const mapped = () => this.#mistaken[index] ?? this.#memory[index]
    const showsBusAddress = this.#showsBusAddress
    return {
      name: '',
      kind: showsBusAddress ? 'phys' : 'dma-coherent',
      byteLength,
      byteOffset: 0,
      get address() {
        const there = memory()
        if (there === undefined) return noAddress
        return showsBusAddress ? BigInt(there.dmaAddress) : kernelAddress(there.storage)
      },
      get content(): MapContent | undefined {
        const there = mapped()
        // Before 6.9 the pages are mapped by their number, and nothing is known of them.
        return there && { storage: there.storage, hasPages: there.hasPages && !showsBusAddress }
      },
    }
  }
}
