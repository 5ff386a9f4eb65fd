import {
  allocateOwnRegion,
  assertAllocationOf,
  assertAttributes,
  assertByteLength,
  assertDevice,
  assertTransferDirection,
  DmaAttribute,
  type DmaAttributes,
  type DmaDevice,
  DmaError,
  type DmaMemory,
  type DmaRegion,
  type MmapAllocationOptions,
  memoryOf,
  mmapAllocation,
  type TransferDirection,
} from '@linux-dma/core'
import type { MemoryMapping } from '@linux-dma/native'
import { SgTable } from '../table/sg-table'
import { SegmentPlacement } from './map-placement'
import { rulesOf } from './map-sgtable'
import { MappedSgTable } from './mapped-sg-table'

/** All that memory in one piece for the device can be asked for. */
const REFUSED =
  Object.values(DmaAttribute).reduce((all, flag) => all | flag, 0) & ~DmaAttribute.AllocSinglePages

/** By their memory: whose a view is. */
const allocations = /* @__PURE__ */ new WeakMap<DmaMemory, NoncontiguousAllocation>()

/** Bytes in the longest segment. */
const LONGEST = 0xffff_ffff

/**
 * Memory that is one segment to its device, whatever it is in memory, and that is handed to and fro by syncs. The CPU has
 * it first. It ends by being freed.
 */
export class NoncontiguousAllocation extends MappedSgTable {
  readonly #region: DmaRegion

  /** @internal use {@link dmaAllocNoncontiguous} */
  constructor(region: DmaRegion, table: SgTable, placement: SegmentPlacement) {
    super(region.device, table, region.direction, placement)
    this.#region = region
    allocations.set(region.memory, this)
    // With the syncs of a map and a hand-over, so that the zeros are where both see them.
    this.syncForCpu()
  }

  /** The memory behind it. It goes with the allocation. */
  get memory(): DmaMemory {
    return this.#region.memory
  }

  /** Whether it was freed, or its device closed. */
  get freed(): boolean {
    return this.#region.closed
  }

  /** See {@link dmaFreeNoncontiguous}. */
  free(): void {
    if (this.#region.closed) {
      throw new DmaError(
        'DMA_CLOSED',
        `the ${this.byteLength}-byte allocation of ${this.device.name} is freed`,
      )
    }
    this.leaveLedger()
    this.#region.close()
  }

  /** @throws DMA_INVALID_ARGUMENT: what was allocated is freed, not unmapped */
  override unmap(_attributes?: DmaAttributes): void {
    throw new DmaError(
      'DMA_INVALID_ARGUMENT',
      'the table was allocated and not mapped: it cannot be unmapped',
      {
        hint: 'free it with dmaFreeNoncontiguous(device, allocation)',
      },
    )
  }

  /** Frees where that has not been done. */
  override [Symbol.dispose](): void {
    this.leaveLedger()
    this.#region.close()
  }
}

/**
 * Allocates zeroed memory that a device sees as one segment, and maps it for that device. Mirrors
 * `dma_alloc_noncontiguous()`: `nents` of the result is 1, `table.origNents` 1 or more. For large buffers of which the CPU
 * wants little.
 *
 * The CPU has it first: call `syncForDevice()` before the device is started.
 * @param byteLength bytes, 1 to 2^32 - 1
 * @param direction which way the bytes travel
 * @param attributes `AllocSinglePages`, which has no effect, or none
 * @throws DMA_INVALID_ARGUMENT, DMA_ATTRIBUTE, DMA_RANGE; DMA_NOT_CONTIGUOUS on a path without an IOMMU;
 *   DMA_BUS_MASTER_OFF, DMA_CLOSED; ENOMEM, ENOSPC. Nothing stays allocated then.
 * @example
 * ```ts
 * using frame = dmaAllocNoncontiguous(device, 8 << 20, DmaDirection.FromDevice)
 * frame.syncForDevice()
 * registers.writeAddress(FRAME, frame.dmaAddressAt(0))
 * ```
 */
export function dmaAllocNoncontiguous(
  device: DmaDevice,
  byteLength: number,
  direction: TransferDirection,
  attributes: DmaAttributes = 0,
): NoncontiguousAllocation {
  assertDevice('dmaAllocNoncontiguous', device)
  assertByteLength('byteLength', byteLength)
  assertTransferDirection(direction)
  assertAttributes('dmaAllocNoncontiguous', attributes, REFUSED)
  device.assertReady()
  if (byteLength > LONGEST) {
    throw new DmaError('DMA_RANGE', `${byteLength} bytes are more than one segment holds, 2^32 - 1`, {
      hint: 'allocateDmaMemory(), and map a table of it',
    })
  }
  const region = allocateOwnRegion(device, byteLength, direction, {
    // Found by nobody else who maps the memory: those bytes are in use as a whole.
    purpose: 'single',
    name: 'linux-dma-noncontiguous',
  })
  try {
    const placement = new SegmentPlacement(device, rulesOf(device))
    placement.placeWhole(region, byteLength)
    const table = SgTable.fromBuffers([region.bytes.subarray(0, byteLength)])
    return new NoncontiguousAllocation(region, table, placement)
  } catch (error) {
    region.close()
    throw error
  }
}

/** Frees such memory. Mirrors `dma_free_noncontiguous()`. @throws DMA_CLOSED the second time; DMA_WRONG_DEVICE, DMA_INVALID_ARGUMENT */
export function dmaFreeNoncontiguous(device: DmaDevice, allocation: NoncontiguousAllocation): void {
  assertNoncontiguous('dmaFreeNoncontiguous', device, allocation)
  allocation.free()
}

/**
 * All of its bytes in one view. Mirrors `dma_vmap_noncontiguous()`. It is there whoever owns the bytes: read and write
 * it between a sync for the CPU and the next one for the device only.
 * @throws DMA_CLOSED; DMA_WRONG_DEVICE, DMA_INVALID_ARGUMENT
 */
export function dmaVmapNoncontiguous(device: DmaDevice, allocation: NoncontiguousAllocation): Uint8Array {
  assertNoncontiguous('dmaVmapNoncontiguous', device, allocation)
  return allocation.memory.bytes.subarray(0, allocation.byteLength)
}

/**
 * Gives such a view up. Mirrors `dma_vunmap_noncontiguous()`. The memory is mapped here all the time, so that this only
 * says whether the view was one.
 * @throws DMA_NOT_DMA_MEMORY, DMA_INVALID_ARGUMENT; DMA_WRONG_DEVICE; DMA_CLOSED where the allocation was freed before
 */
export function dmaVunmapNoncontiguous(device: DmaDevice, bytes: Uint8Array): void {
  assertDevice('dmaVunmapNoncontiguous', device)
  device.assertOpen()
  const allocation = allocations.get(memoryOf(bytes).memory)
  if (!allocation) {
    throw new DmaError('DMA_INVALID_ARGUMENT', 'dmaVunmapNoncontiguous: the view is of no such allocation', {
      hint: 'pass what dmaVmapNoncontiguous() returned; other memory ends by the close() of what it was made with',
    })
  }
  assertAllocationOf(device, allocation)
}

/**
 * Maps its pages into this process once more, at another address. Mirrors `dma_mmap_noncontiguous()`. The mapping is the
 * caller's to close, and keeps the pages when the allocation is freed.
 * @throws ENXIO where the part is not inside the allocation; DMA_WRONG_DEVICE; DMA_CLOSED; DMA_INVALID_ARGUMENT; ENOMEM
 */
export function dmaMmapNoncontiguous(
  device: DmaDevice,
  allocation: NoncontiguousAllocation,
  options: MmapAllocationOptions = {},
): MemoryMapping {
  assertNoncontiguous('dmaMmapNoncontiguous', device, allocation)
  return mmapAllocation('dmaMmapNoncontiguous', device, allocation, options)
}

/** @throws DMA_INVALID_ARGUMENT for an allocation of another kind, or none; DMA_WRONG_DEVICE */
function assertNoncontiguous(of: string, device: DmaDevice, allocation: NoncontiguousAllocation): void {
  assertDevice(of, device)
  assertAllocationOf(device, allocation)
  if (allocation instanceof NoncontiguousAllocation) return
  throw new DmaError('DMA_INVALID_ARGUMENT', `${of}: this was not allocated by dmaAllocNoncontiguous()`, {
    hint: 'what was allocated otherwise is freed by the function of its kind, or by its own free()',
  })
}
