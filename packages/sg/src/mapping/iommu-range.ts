import {
  closeAll,
  type DeviceChild,
  type DmaAddress,
  type DmaDevice,
  DmaError,
  type DmaMemory,
  dmaAddress,
  type IommuDomain,
  type TransferDirection,
  toNumber,
} from '@linux-dma/core'

/** One range of a device's IO virtual addresses, with pieces of memory mapped in it. */
export class IommuRange implements DeviceChild {
  readonly device: DmaDevice
  readonly dmaAddress: DmaAddress
  readonly byteLength: number
  readonly coherent = false
  readonly #iommu: IommuDomain
  readonly #memories = new Set<DmaMemory>()
  /** Until {@link filled}. */
  readonly #starts = new Map<DmaMemory, number>()
  #mappedBytes = 0
  #closed = false

  /**
   * Takes the range; nothing is mapped in it yet.
   * @param byteLength multiple of the IOMMU's granule
   * @param alignment of its start: a power of two, the granule or more
   * @throws ENOSPC
   */
  constructor(device: DmaDevice, iommu: IommuDomain, byteLength: number, alignment: number) {
    this.device = device
    this.#iommu = iommu
    this.byteLength = byteLength
    this.dmaAddress = iommu.allocate(byteLength, device.dmaMask, alignment)
    device.adopt(this)
  }

  /** Whether the device has been taken off it. */
  get closed(): boolean {
    return this.#closed
  }

  /**
   * Maps a piece of memory at an offset in the range: both multiples of the granule.
   * @throws ENOMEM, ENOSPC, EFAULT; what was mapped before stays
   */
  map(
    rangeOffset: number,
    memory: DmaMemory,
    memoryOffset: number,
    byteLength: number,
    direction: TransferDirection,
  ): void {
    // Pages of the IOMMU that are larger than the memory's would let the device reach what is beside it.
    if (memoryOffset + byteLength > memory.byteLength) {
      throw new DmaError(
        'DMA_UNSUPPORTED',
        `the last ${this.#iommu.granule}-byte page of the IOMMU reaches beyond the memory`,
        { hint: `allocate memory in multiples of ${this.#iommu.granule} bytes` },
      )
    }
    const address = dmaAddress(toNumber(this.dmaAddress) + rangeOffset)
    this.#iommu.map(address, this.#startOf(memory) + memoryOffset, byteLength, direction)
    this.#mappedBytes += byteLength
  }

  /** No more is mapped in it. Never throws. */
  filled(): void {
    for (const memory of this.#starts.keys()) memory.releaseAddress()
    this.#starts.clear()
  }

  /** Process address of a memory's first byte: asked for once for all of its pieces, of which there may be many. */
  #startOf(memory: DmaMemory): number {
    const known = this.#starts.get(memory)
    if (known !== undefined) return known
    memory.attachUser(this)
    this.#memories.add(memory)
    const start = memory.holdAddress()
    this.#starts.set(memory, start)
    return start
  }

  /**
   * Takes everything in the range from the device, and gives the range back. Idempotent.
   * @throws what the unmap threw; the memories are then quarantined, and the addresses never given out again
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    const { device } = this
    device.disown(this)
    const memories = [...this.#memories]
    try {
      if (this.#mappedBytes > 0) this.#iommu.unmap(this.dmaAddress, this.byteLength, this.#mappedBytes)
      this.#iommu.release(this.dmaAddress, this.byteLength)
    } catch (error) {
      for (const memory of memories) device.quarantine(memory, error)
      throw error
    } finally {
      closeAll(memories.map((memory) => () => memory.detachUser(this)))
    }
  }
}
