import { DmaError } from '@linux-dma/native'
import type { MappingLedger } from '../checker/mapping-ledger'
import type { SingleOwner } from '../checker/mapping-owner'
import { closeAll } from '../checks/close-all'
import type { DmaDevice } from '../device/dma-device'
import type { DmaMemory } from '../memory/memory'
import { type DmaAddress, toNumber } from '../vocabulary/address'
import type { DmaAttributes } from '../vocabulary/attributes'
import { DmaDirection, type TransferDirection } from '../vocabulary/direction'
import { beginTransfer, endTransfer, syncTransfer, transferAddress } from './attended-transfers'
import { enterMappings, leaveMappings } from './ledger-entries'
import type { MappingHome } from './mapping-home'
import { type MappingHandle, MappingTable } from './mapping-table'
import { assertRegionDirection, assertRegionRange, assertSameKernel, regionClosed } from './region-checks'
import { assertStillThere } from './still-there'

/**
 * What a region is made for: `region` to be cut up by anybody, `single` for one mapping, with which it closes, `coherent`
 * for memory that is shared without being handed over, `noncoherent` for memory that was allocated for the device, and so is
 * never bounced: one mapping, too.
 */
export type RegionPurpose = 'region' | 'single' | 'coherent' | 'noncoherent'

/** Holds nothing, ever: what a region has before it is mapped and after it is closed. */
const NO_MAPPINGS = /* @__PURE__ */ new MappingTable(0)

/**
 * One arena that is pinned and mapped for a device once; mapping a part of it is then a bounds check and an addition,
 * with no system call, no native call and no allocation.
 *
 * The functions that take numbers and handles are for hot loops; `dmaMapSingle` gives the same as an object.
 */
export class DmaRegion implements Disposable, MappingHome, SingleOwner {
  readonly device: DmaDevice
  readonly memory: DmaMemory
  readonly byteLength: number
  readonly direction: TransferDirection

  /** Offset of the region's first byte in its memory. */
  readonly memoryOffset: number
  /** Made for one mapping of memory that is not registered, and closed with it. */
  readonly temporary: boolean
  /** Made for a coherent allocation. */
  readonly coherent: boolean
  /** Nothing of it ever goes through a slot: it was allocated for the device. @internal */
  readonly inPlace: boolean
  /** Where it was mapped, whatever became of that. @internal */
  readonly firstAddress: DmaAddress
  /** @internal */
  ledgerNumber = 0
  /** Bytes that were asked for, where that is fewer: of an allocation. @internal */
  requested: number
  // What each transfer reads is never undefined, and flags are compared with `true`: the engine then knows their kind.
  // `private` and not `#` on its path: that takes more code at each use, and engines inline only so much.
  private table = NO_MAPPINGS
  private readonly start: number = 0
  /** Bytes that can be mapped: 0 once closed. */
  private limit = 0
  /** The same once the program has asked for addresses in it, else 0. */
  private givenLimit = 0
  /** Registered for both directions. */
  private readonly acceptsAll: boolean = false
  /** There is work to do at each change of ownership: the DMA path is not coherent, or may bounce; or there is a ledger. */
  private attended: boolean = false
  readonly #ownsMemory: boolean
  #closed = false

  /** @internal use {@link createDmaRegion} */
  constructor(
    device: DmaDevice,
    memory: DmaMemory,
    memoryOffset: number,
    byteLength: number,
    direction: TransferDirection,
    options: { purpose: RegionPurpose; ownsMemory: boolean; capacity: number },
  ) {
    this.device = device
    this.memory = memory
    this.memoryOffset = memoryOffset
    this.byteLength = byteLength
    this.requested = byteLength
    this.direction = direction
    this.acceptsAll = direction === DmaDirection.Bidirectional
    this.#ownsMemory = options.ownsMemory
    this.temporary = options.purpose !== 'region'
    this.coherent = options.purpose === 'coherent'
    this.inPlace = this.coherent || options.purpose === 'noncoherent'
    this.attended = this.needsAttention
    assertSameKernel(device, memory)
    const mask = this.coherent ? device.coherentDmaMask : device.dmaMask
    if (memoryOffset + byteLength > memory.byteLength) {
      throw new DmaError(
        'DMA_RANGE',
        `byte ${memoryOffset + byteLength} lies beyond the ${memory.byteLength} of the DMA memory`,
      )
    }
    this.firstAddress = device.ops.mapPages(device, memory, memoryOffset, byteLength, direction, mask)
    this.start = toNumber(this.firstAddress)
    try {
      // Regions lie apart, so that a handle of one is most often none of another's.
      this.table = new MappingTable(options.capacity, this.start / device.kernel.pageSize)
      this.limit = byteLength
      device.adopt(this)
      memory.attach(this)
      if (!this.temporary) device.ledger?.ended.reuse(this.start, byteLength)
    } catch (error) {
      device.disown(this)
      this.#unmap()
      throw error
    }
  }

  /** Whether this region holds [memoryOffset, memoryOffset + byteLength) of its memory, for `direction`. */
  covers(device: DmaDevice, memoryOffset: number, byteLength: number, direction: TransferDirection): boolean {
    return (
      device === this.device &&
      !this.temporary &&
      memoryOffset >= this.memoryOffset &&
      memoryOffset + byteLength <= this.memoryOffset + this.byteLength &&
      (this.direction === DmaDirection.Bidirectional || this.direction === direction)
    )
  }

  /**
   * Where the device finds the region's first byte.
   * @throws DMA_CLOSED; DMA_FRAME_MOVED where the kernel moved memory that the device has
   */
  get dmaAddress(): DmaAddress {
    if (this.#closed) throw regionClosed(this)
    if (this.memory.movable) assertStillThere(this, 0, this.byteLength)
    if (this.device.dmaReady !== true) this.device.assertInPlace()
    return this.firstAddress
  }

  /** All of the region's bytes, whoever owns them now. A part that is mapped belongs to the device. */
  get bytes(): Uint8Array {
    return this.memory.bytes.subarray(this.memoryOffset, this.memoryOffset + this.byteLength)
  }

  /** A part of them. @internal */
  bytesAt(byteOffset: number, byteLength: number): Uint8Array {
    const start = this.memoryOffset + byteOffset
    return this.memory.bytes.subarray(start, start + byteLength)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** A part of a mapping's bytes. @internal */
  bytesOf(handle: MappingHandle, byteOffset: number, byteLength: number): Uint8Array {
    return this.bytesAt(this.table.byteOffset(handle) + byteOffset, byteLength)
  }

  /** Where in its memory a mapping begins, unless slots stand in for it. @internal */
  memoryOffsetOf(handle: MappingHandle): number | undefined {
    const isBounced = this.table.bounceAddress(handle) !== undefined
    return isBounced ? undefined : this.memoryOffset + this.table.byteOffset(handle)
  }

  /** There is a ledger of its device from now on, or none any more. @internal */
  attend(ledger: MappingLedger | undefined): void {
    this.attended = this.needsAttention
    if (ledger) enterMappings(this, this.table, ledger)
  }

  /** Mappings that are live now. */
  get liveMappings(): number {
    return this.table.live
  }

  /**
   * Gives a part of the region to the device. Mirrors `dma_map_single()`; the handle takes the place of the address
   * in every later call.
   * @param byteOffset bytes from the region's start
   * @param byteLength 1 to 2^32 - 1
   * @param direction one that the region's own direction includes
   * @param attributes `SkipCpuSync`, `RequireCoherent`, or those that have no effect
   * @throws DMA_RANGE, DMA_INVALID_ARGUMENT, DMA_ATTRIBUTE, DMA_DIRECTION, DMA_TOO_MANY_MAPPINGS; DMA_BUS_MASTER_OFF;
   *   DMA_CLOSED; DMA_NOT_COHERENT for `RequireCoherent`; what bouncing throws
   */
  mapSingle(
    byteOffset: number,
    byteLength: number,
    direction: TransferDirection,
    attributes: DmaAttributes = 0,
  ): MappingHandle {
    this.check(byteOffset, byteLength)
    if (direction !== this.direction && (this.acceptsAll !== true || (direction !== 1 && direction !== 2))) {
      this.checkDirection(direction)
    }
    const handle = this.table.insert(byteOffset, byteLength, direction)
    if (this.attended === true || attributes !== 0) {
      this.begin(handle, attributes)
    }
    return handle
  }

  /**
   * Takes a part back from the device. Mirrors `dma_unmap_single()`. The region stays mapped: a device that was not
   * stopped, or is not done, still reaches the bytes.
   * @param attributes `SkipCpuSync` where nothing that the device wrote is wanted
   * @throws DMA_NOT_MAPPED for a handle whose mapping has ended; DMA_ATTRIBUTE, DMA_INVALID_ARGUMENT
   */
  unmapSingle(handle: MappingHandle, attributes: DmaAttributes = 0): void {
    if (this.attended === true || attributes !== 0) this.end(handle, attributes)
    this.table.remove(handle)
  }

  /**
   * Where the device finds a mapping's first byte.
   * @throws DMA_NOT_MAPPED; DMA_BUS_MASTER_OFF; DMA_CLOSED
   */
  addressOf(handle: MappingHandle): DmaAddress {
    if (this.device.dmaReady !== true || this.attended === true) return this.checkedAddress(handle)
    return (this.start + this.table.byteOffset(handle)) as unknown as DmaAddress
  }

  /**
   * Where the device finds a part of the region, without recording a mapping: for rings that do their own book-keeping.
   * @throws DMA_RANGE; DMA_BUS_MASTER_OFF; DMA_CLOSED
   */
  addressAt(byteOffset: number, byteLength: number): DmaAddress {
    // The conditions of `check`, once more: Node 24 does not inline a call inside a call here, at three times the cost.
    if (
      byteOffset >>> 0 !== byteOffset ||
      byteLength >>> 0 !== byteLength ||
      byteLength === 0 ||
      byteOffset + byteLength > this.givenLimit ||
      this.device.dmaReady !== true
    ) {
      this.giveOut(byteOffset, byteLength)
    }
    return (this.start + byteOffset) as unknown as DmaAddress
  }

  /** Lends a mapping to the CPU. Mirrors `dma_sync_single_for_cpu()`. @throws DMA_NOT_MAPPED */
  syncForCpu(handle: MappingHandle): void {
    if (this.attended === true) this.syncWhole('syncForCpu', handle)
    this.table.giveToCpu(handle)
  }

  /** Gives a mapping back to the device. Mirrors `dma_sync_single_for_device()`. @throws DMA_NOT_MAPPED */
  syncForDevice(handle: MappingHandle): void {
    if (this.attended === true) this.syncWhole('syncForDevice', handle)
    this.table.giveToDevice(handle)
  }

  /** As `syncForCpu` for a part of a mapping: offset and length within it, already checked. @internal */
  syncRange(
    verb: 'syncForCpu' | 'syncForDevice',
    handle: MappingHandle,
    byteOffset: number,
    byteLength: number,
  ): void {
    if (this.attended) syncTransfer(this, this.table, verb, handle, byteOffset, byteLength)
    if (verb === 'syncForCpu') this.table.giveToCpu(handle)
    else this.table.giveToDevice(handle)
  }

  /** Whether a mapping is lent to the CPU now. @throws DMA_NOT_MAPPED */
  isCpuOwned(handle: MappingHandle): boolean {
    return this.table.isCpuOwned(handle)
  }

  /** Whether a mapping is live. */
  isMapped(handle: MappingHandle): boolean {
    return this.table.has(handle)
  }

  /**
   * Ends all mappings, takes the pages from the device and, where the region allocated its memory, gives that back.
   * Idempotent.
   * @throws what the device's DMA path threw; the memory is then quarantined: it stays pinned and is never reused
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.limit = 0
    this.givenLimit = 0
    this.device.ledger?.addressed.delete(this.start)
    const slots = this.table.bounceAddresses()
    if (this.device.ledger) leaveMappings(this, this.table, this.device.ledger)
    // An empty table knows no handle: every mapping that was live is stale from here on.
    this.table = NO_MAPPINGS
    this.device.disown(this)
    try {
      closeAll([
        ...slots.map((slot) => () => this.device.ops.bouncer?.unmap(this.device, slot, true)),
        () => this.#unmap(),
      ])
    } finally {
      this.memory.detach(this)
    }
    if (this.#ownsMemory) this.memory.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  private get needsAttention(): boolean {
    const { ops, ledger } = this.device
    return !ops.coherent || ops.bouncer !== undefined || ledger !== undefined
  }

  #unmap(): void {
    try {
      this.device.ops.unmapPages(this.device, this.firstAddress, this.byteLength, this.memory)
    } catch (error) {
      this.device.quarantine(this.memory, error)
      throw error
    }
  }

  /** Range and readiness in as few compares as catch everything: fractions, NaN and negatives fail `>>> 0`. */
  private check(byteOffset: number, byteLength: number): void {
    if (
      byteOffset >>> 0 !== byteOffset ||
      byteLength >>> 0 !== byteLength ||
      byteLength === 0 ||
      byteOffset + byteLength > this.limit ||
      this.device.dmaReady !== true
    ) {
      this.checkAgain(byteOffset, byteLength)
    }
  }

  // Engines inline what is called here only while it is short: what is rare is a method that calls it.
  private checkAgain(byteOffset: number, byteLength: number): void {
    assertRegionRange(this, byteOffset, byteLength)
  }

  /** The first time, at least: from then on what the device does here is not held against what is mapped. */
  private giveOut(byteOffset: number, byteLength: number): void {
    assertRegionRange(this, byteOffset, byteLength)
    this.givenLimit = this.limit
    this.device.ledger?.addressed.set(this.start, this.byteLength)
  }

  private checkDirection(direction: TransferDirection): void {
    assertRegionDirection(this, direction)
  }

  private begin(handle: MappingHandle, attributes: DmaAttributes): void {
    beginTransfer(this, this.table, handle, attributes)
  }

  private end(handle: MappingHandle, attributes: DmaAttributes): void {
    endTransfer(this, this.table, handle, attributes)
  }

  private checkedAddress(handle: MappingHandle): DmaAddress {
    this.device.assertReady()
    return transferAddress(this, this.table, handle)
  }

  private syncWhole(verb: 'syncForCpu' | 'syncForDevice', handle: MappingHandle): void {
    syncTransfer(this, this.table, verb, handle, 0, this.table.byteLength(handle))
  }
}
