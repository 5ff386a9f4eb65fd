import { DmaError } from '@linux-dma/native'
import type { DmaAddress } from './address'
import { DmaDirection } from './direction'
import type { DmaDevice } from './dma-device'
import { allocateDmaMemory } from './memory'
import { DmaRegion } from './region'
import { assertByteLength } from './validate'

/** Memory that a device and the CPU share without handing it over: descriptor rings, mailboxes. */
export class CoherentAllocation implements Disposable {
  readonly device: DmaDevice
  /** Bytes that were asked for. */
  readonly byteLength: number
  readonly #region: DmaRegion
  readonly #bytes: Uint8Array

  /** @internal use {@link dmaAllocCoherent} */
  constructor(region: DmaRegion, byteLength: number) {
    this.device = region.device
    this.byteLength = byteLength
    this.#region = region
    this.#bytes = region.bytes.subarray(0, byteLength)
  }

  /** The shared bytes, zeroed at allocation, page-aligned. @throws DMA_CLOSED */
  get bytes(): Uint8Array {
    this.#assertOpen()
    return this.#bytes
  }

  /** Where the device finds them, page-aligned. @throws DMA_CLOSED; DMA_BUS_MASTER_OFF */
  get dmaAddress(): DmaAddress {
    this.#assertOpen()
    this.device.assertReady()
    return this.#region.dmaAddress
  }

  /** Whether it was freed, or its device closed. */
  get freed(): boolean {
    return this.#region.closed
  }

  /** See {@link dmaFreeCoherent}. */
  free(): void {
    this.#assertOpen()
    this.#region.close()
  }

  /** Frees where that has not been done. */
  [Symbol.dispose](): void {
    this.#region.close()
  }

  #assertOpen(): void {
    if (!this.#region.closed) return
    throw new DmaError(
      'DMA_CLOSED',
      `the ${this.byteLength}-byte coherent allocation of ${this.device.name} is freed`,
    )
  }
}

/**
 * Allocates zeroed memory that device and CPU may touch at any time. Mirrors `dma_alloc_coherent()`.
 *
 * It takes whole pages, a memfd and one entry of the IOMMU for each allocation.
 * @param byteLength bytes, 1 or more
 * @throws DMA_INVALID_ARGUMENT; DMA_NOT_COHERENT where the device's DMA path needs syncs; DMA_BUS_MASTER_OFF; DMA_CLOSED;
 *   ENOMEM, ENOSPC. Nothing stays allocated then.
 * @example
 * ```ts
 * using ring = dmaAllocCoherent(device, 4096)
 * registers.writeAddress(RING_BASE, ring.dmaAddress)
 * ```
 */
export function dmaAllocCoherent(device: DmaDevice, byteLength: number): CoherentAllocation {
  assertByteLength('byteLength', byteLength)
  device.assertReady()
  if (!device.ops.coherent) {
    throw new DmaError('DMA_NOT_COHERENT', `${device.ops.name} has no coherent memory for ${device.name}`, {
      hint: 'use dmaMapSingle() and its syncs',
    })
  }
  const memory = allocateDmaMemory({ byteLength, kernel: device.kernel, name: 'linux-dma-coherent' })
  try {
    const region = new DmaRegion(device, memory, 0, memory.byteLength, DmaDirection.Bidirectional, {
      purpose: 'coherent',
      ownsMemory: true,
      capacity: 0,
    })
    return new CoherentAllocation(region, byteLength)
  } catch (error) {
    memory.close()
    throw error
  }
}

/** Frees coherent memory. Mirrors `dma_free_coherent()`. @throws DMA_CLOSED the second time; DMA_WRONG_DEVICE */
export function dmaFreeCoherent(device: DmaDevice, allocation: CoherentAllocation): void {
  if (allocation.device !== device) {
    throw new DmaError(
      'DMA_WRONG_DEVICE',
      `the allocation is ${allocation.device.name}’s, not ${device.name}’s`,
    )
  }
  allocation.free()
}
