import { DmaError } from '@linux-dma/native'
import type { AnyDmaAddress } from '../checker/by-address'
import { MappingFamily } from '../checker/mapping-records'
import { DmaMisuse } from '../checker/misuse'
import { assertByteLength, assertDevice } from '../checks/validate'
import type { DmaDevice } from '../device/dma-device'
import type { DmaRegion } from '../mapping/region'
import { StreamingMapping } from '../mapping/streaming-mapping'
import type { DmaMemory } from '../memory/memory'
import type { DmaAttributes } from '../vocabulary/attributes'
import { assertTransferDirection, type TransferDirection } from '../vocabulary/direction'
import { freeAt } from './free-at'
import { allocateOwnRegion, assertAllocationOf } from './own-region'
import { wrongFamily } from './wrong-family'

/**
 * Memory that was mapped for a device when it was allocated, and that device and CPU hand to and fro by syncs. The CPU
 * has it first. It is a streaming mapping, for all that syncs one, but ends by being freed.
 */
export class NoncoherentAllocation extends StreamingMapping {
  readonly #region: DmaRegion

  /** @internal use {@link dmaAllocNoncoherent} */
  constructor(region: DmaRegion, byteLength: number, direction: TransferDirection) {
    super(region, 0, byteLength, direction, 0)
    this.#region = region
    // With the syncs of a map and a hand-over, so that the zeros are where both see them.
    this.syncForCpu()
  }

  /** The memory behind it, to be mapped for other devices or exported. It goes with the allocation. */
  get memory(): DmaMemory {
    return this.#region.memory
  }

  /** Whether it was freed, or its device closed. */
  get freed(): boolean {
    return this.#region.closed
  }

  /** See {@link dmaFreeNoncoherent}. */
  free(): void {
    if (this.#region.closed) {
      const error = new DmaError(
        'DMA_CLOSED',
        `the ${this.byteLength}-byte non-coherent allocation of ${this.device.name} is freed`,
        { hint: 'look for a first free, and for a device that was closed before' },
      )
      throw this.misused(DmaMisuse.UnmapUnknown, error)
    }
    this.#region.close()
  }

  /** @throws DMA_INVALID_ARGUMENT: what was allocated is freed, not unmapped */
  override unmap(_attributes?: DmaAttributes): void {
    const error = new DmaError(
      'DMA_INVALID_ARGUMENT',
      'the memory was allocated and not mapped: it cannot be unmapped',
      {
        hint: 'free it with dmaFreeNoncoherent(device, allocation)',
      },
    )
    throw this.misused(DmaMisuse.UnmapFamily, error)
  }

  /** Frees where that has not been done. */
  override [Symbol.dispose](): void {
    this.#region.close()
  }
}

/**
 * Allocates zeroed memory and maps it for a device, to be used over and over with syncs: on a path that is not coherent
 * it is faster than coherent memory, which that may not even have. Mirrors `dma_alloc_noncoherent()`; `dmaAllocPages` is
 * the same function, since memory here is found by its bytes and by its pages alike.
 *
 * The CPU has it first: call `syncForDevice()` (or `dmaSyncSingleForDevice`) before the device is started.
 * @param byteLength bytes, 1 to 4 GiB - 1
 * @param direction which way the bytes travel
 * @throws DMA_INVALID_ARGUMENT; DMA_RANGE; DMA_BUS_MASTER_OFF; DMA_CLOSED; ENOMEM, ENOSPC. Nothing stays allocated then.
 * @example
 * ```ts
 * using buffer = dmaAllocNoncoherent(device, 65536, DmaDirection.FromDevice)
 * buffer.syncForDevice()
 * registers.writeAddress(0x80, buffer.dmaAddress)
 * ```
 */
export function dmaAllocNoncoherent(
  device: DmaDevice,
  byteLength: number,
  direction: TransferDirection,
): NoncoherentAllocation {
  assertDevice('dmaAllocNoncoherent', device)
  assertByteLength('byteLength', byteLength)
  assertTransferDirection(direction)
  device.assertReady()
  const region = allocateOwnRegion(device, byteLength, direction, {
    // Found by nobody else who maps the memory: those bytes are in use as a whole. Never bounced, as in the kernel.
    purpose: 'noncoherent',
    name: 'linux-dma-noncoherent',
  })
  try {
    return new NoncoherentAllocation(region, byteLength, direction)
  } catch (error) {
    region.close()
    throw error
  }
}

/**
 * Frees such memory. Mirrors `dma_free_noncoherent()`: it can also be named as in the kernel, by its size, its bytes, its address and
 * its direction; null for the bytes frees nothing.
 * @throws DMA_CLOSED the second time; DMA_WRONG_DEVICE; DMA_INVALID_ARGUMENT for what was allocated otherwise. By address:
 *   DMA_NOT_MAPPED, DMA_WRONG_SIZE, DMA_WRONG_FAMILY, DMA_WRONG_DIRECTION, DMA_WRONG_BYTES, DMA_ADDRESS_RANGE
 */
export function dmaFreeNoncoherent(device: DmaDevice, allocation: NoncoherentAllocation): void
export function dmaFreeNoncoherent(
  device: DmaDevice,
  byteLength: number,
  bytes: Uint8Array | null,
  address: AnyDmaAddress,
  direction: TransferDirection,
): void
export function dmaFreeNoncoherent(
  device: DmaDevice,
  allocation: NoncoherentAllocation | number,
  bytes?: Uint8Array | null,
  address?: AnyDmaAddress,
  direction?: TransferDirection,
): void {
  if (typeof allocation !== 'number') {
    assertNoncoherent('dmaFreeNoncoherent', device, allocation)
    allocation.free()
    return
  }
  if (bytes === null) return
  freeAt({
    of: 'dmaFreeNoncoherent',
    device,
    address: address!,
    byteLength: allocation,
    direction: direction!,
    family: MappingFamily.Noncoherent,
    bytes,
  })
}

/** @throws DMA_WRONG_DEVICE; DMA_INVALID_ARGUMENT for what is no such allocation */
export function assertNoncoherent(of: string, device: DmaDevice, allocation: NoncoherentAllocation): void {
  assertAllocationOf(device, allocation)
  if (allocation instanceof NoncoherentAllocation) return
  throw wrongFamily(device, of, 'non-coherent', 'dmaAllocNoncoherent() or dmaAllocPages()')
}

export { dmaAllocNoncoherent as dmaAllocPages, dmaFreeNoncoherent as dmaFreePages }
