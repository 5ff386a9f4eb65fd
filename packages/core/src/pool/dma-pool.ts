import { DmaError } from '@linux-dma/native'
import { allocateOwnRegion } from '../allocation/own-region'
import { closeAll } from '../checks/close-all'
import type { DeviceChild, DmaDevice } from '../device/dma-device'
import type { DmaRegion } from '../mapping/region'
import { type DmaAddress, dmaAddress, formatDmaAddress, toNumber } from '../vocabulary/address'
import { DmaDirection } from '../vocabulary/direction'
import { MAX_POOL_BLOCKS, PoolBlocks, type PoolHandle } from './dma-pool-blocks'
import type { PoolLayout } from './dma-pool-layout'

/** Pages that a pool takes at once. */
interface Arena {
  readonly region: DmaRegion
  /** Bytes from the region's start to the first unit, which is aligned. */
  readonly start: number
  readonly firstSlot: number
}

enum Poison {
  /** Bytes of a free block. */
  Freed = 0xa7,
  /** Bytes of a block that was just handed out, so that nobody counts on zeros. */
  Allocated = 0xa9,
}

const FIRST_ARENA = 0x1_0000
const LARGEST_ARENA = 0x20_0000
/** What a smaller arena may be had in spite of: the memory-lock limit, too few addresses, no contiguous pages, others that have them. */
const WORTH_LESS = ['ENOMEM', 'ENOSPC', 'DMA_NOT_CONTIGUOUS', 'DMA_IN_USE']

/**
 * Small blocks of coherent memory, all of one size: descriptors, command blocks. Memory comes from the device's coherent
 * allocator in arenas of many pages; to take a block and give it back is arithmetic on numbers.
 *
 * `get` and `put` are for hot loops; `dmaPoolAlloc` gives the same as an object.
 */
export class DmaPool implements Disposable, DeviceChild {
  /** What errors and `/proc` call it. */
  readonly name: string
  readonly device: DmaDevice
  /** Bytes of each block: what was asked for. */
  readonly blockLength: number
  /** Nothing: its arenas are children of the device themselves. @internal */
  readonly dmaAddress = dmaAddress(0)
  /** @internal */
  readonly byteLength = 0
  /** @internal */
  readonly coherent = true
  readonly #layout: PoolLayout
  readonly #blocks = new PoolBlocks()
  readonly #arenas: Arena[] = []
  /** The view of each block, made when it is first asked for. */
  readonly #views: (Uint8Array | undefined)[] = []
  readonly #checked: boolean
  /** Neither checked nor closed: there is nothing to do but to take and to give. */
  #plain = false
  #nextArena = FIRST_ARENA
  #closed = false

  /** @internal use {@link dmaPoolCreate} */
  constructor(name: string, device: DmaDevice, blockLength: number, layout: PoolLayout, checked: boolean) {
    this.name = name
    this.device = device
    this.blockLength = blockLength
    this.#layout = layout
    this.#checked = checked
    this.#plain = !checked
    device.adopt(this)
  }

  /** Blocks that there is memory for, free and in use. */
  get blocks(): number {
    return this.#blocks.count
  }

  /** Blocks in use. */
  get used(): number {
    return this.#blocks.used
  }

  get closed(): boolean {
    return this.#closed
  }

  /**
   * Takes a block. Its bytes are what was left in them; zeros the first time, 0xa9 in a pool that checks.
   * @throws DMA_CLOSED; DMA_POOL_CORRUPTED in a pool that checks; where it has to grow DMA_TOO_MANY_BLOCKS, and what
   *   `dmaAllocCoherent` throws
   */
  get(): PoolHandle {
    const blocks = this.#blocks
    if (this.#plain !== true || blocks.empty) return this.carefulGet()
    return blocks.take()
  }

  /** Gives a block back. @throws DMA_NOT_ALLOCATED for one that is free already, or of another pool; DMA_CLOSED */
  put(handle: PoolHandle): void {
    if (this.#plain !== true) this.prepareToPut(handle)
    this.#blocks.give(handle)
  }

  /** Where the device finds a block. @throws DMA_NOT_ALLOCATED; DMA_BUS_MASTER_OFF, DMA_CLOSED */
  addressOf(handle: PoolHandle): DmaAddress {
    if (this.device.dmaReady !== true || this.#closed === true) this.assertUsable()
    return this.#blocks.address(handle)
  }

  /** The bytes of a block: the same view each time, so that nothing is allocated. @throws DMA_NOT_ALLOCATED, DMA_CLOSED */
  bytesOf(handle: PoolHandle): Uint8Array {
    if (this.#closed === true) throw this.#closedError()
    const slot = this.#blocks.slot(handle)
    return this.#views[slot] ?? this.#makeView(slot)
  }

  /**
   * The block that begins at an address, as a descriptor has it.
   * @throws DMA_NOT_ALLOCATED where no block in use begins there: the kernel's "bad dma"; DMA_CLOSED
   */
  handleAt(address: DmaAddress): PoolHandle {
    if (this.#closed) throw this.#closedError()
    const { offsets, stride } = this.#layout
    for (const { region, start, firstSlot } of this.#arenas) {
      const at = toNumber(address) - toNumber(region.dmaAddress) - start
      if (at < 0 || at >= region.byteLength - start) continue
      const index = offsets.indexOf(at % stride)
      const slot = firstSlot + Math.floor(at / stride) * offsets.length + index
      if (index >= 0 && slot < this.#blocks.count && this.#blocks.isUsed(slot))
        return this.#blocks.handleAt(slot)
    }
    throw new DmaError(
      'DMA_NOT_ALLOCATED',
      `no block of the pool ${this.name} that is in use begins at ${formatDmaAddress(address)}`,
      { hint: 'look for a second free, and at what the device or the descriptor made of the address' },
    )
  }

  /** See {@link dmaPoolDestroy}. */
  destroy(): void {
    if (this.#closed) return
    const { used } = this
    if (used > 0) {
      this.device.kernel.warn(
        new DmaError(
          'DMA_POOL_BUSY',
          `the pool ${this.name} of ${this.device.name} ends with ${used} blocks in use`,
          {
            hint: 'free every block first, when the device is done with it: it may still have its address',
          },
        ),
      )
    }
    this.close()
  }

  /** As {@link destroy}, but says nothing of blocks in use: what the end of the device does. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#plain = false
    this.#blocks.clear()
    this.#views.length = 0
    this.device.disown(this)
    closeAll(
      this.#arenas.splice(0).map(
        ({ region }) =>
          () =>
            region.close(),
      ),
    )
  }

  [Symbol.dispose](): void {
    this.destroy()
  }

  // `private` and not `#`, as `get` and `put` are on the path of each transfer.
  private carefulGet(): PoolHandle {
    if (this.#closed) throw this.#closedError()
    if (this.#blocks.empty) this.#grow()
    return this.#checked ? this.#checkedGet() : this.#blocks.take()
  }

  private prepareToPut(handle: PoolHandle): void {
    if (this.#closed) throw this.#closedError()
    this.bytesOf(handle).fill(Poison.Freed)
  }

  private assertUsable(): void {
    if (this.#closed) throw this.#closedError()
    this.device.assertReady()
  }

  #grow(): void {
    this.assertUsable()
    const { offsets, stride } = this.#layout
    const room = MAX_POOL_BLOCKS - this.#blocks.count
    if (room < offsets.length) {
      throw new DmaError(
        'DMA_TOO_MANY_BLOCKS',
        `the pool ${this.name} has ${this.#blocks.count} blocks, its most`,
        {
          hint: 'free what is done with, or spread the blocks over several pools',
        },
      )
    }
    const region = this.#allocate()
    const base = toNumber(region.dmaAddress)
    const start = (stride - (base % stride)) % stride
    const units = Math.min(
      Math.floor((region.byteLength - start) / stride),
      Math.floor(room / offsets.length),
    )
    const addresses = Array.from({ length: units * offsets.length }, (_, i) => {
      return base + start + Math.floor(i / offsets.length) * stride + offsets[i % offsets.length]!
    })
    this.#arenas.push({ region, start, firstSlot: this.#blocks.count })
    this.#blocks.add(addresses)
    if (this.#checked) region.bytes.fill(Poison.Freed)
  }

  /** As much as a pool of this size takes next, or the least that helps. */
  #allocate(): DmaRegion {
    const { stride } = this.#layout
    // What is mapped begins on some page: up to so much is lost until a block may begin.
    const slack = stride - this.device.kernel.pageSize
    const least = stride + slack
    for (let wanted = Math.max(this.#nextArena, least); ; wanted = Math.max(Math.floor(wanted / 4), least)) {
      try {
        const region = allocateOwnRegion(this.device, wanted, DmaDirection.Bidirectional, {
          purpose: 'coherent',
          name: `linux-dma-pool-${this.name}`,
        })
        this.#nextArena = Math.min(region.byteLength * 2, LARGEST_ARENA)
        return region
      } catch (error) {
        const { code } = error as { code?: string }
        if (wanted === least || code === undefined || !WORTH_LESS.includes(code)) throw error
      }
    }
  }

  #checkedGet(): PoolHandle {
    const handle = this.#blocks.take()
    const bytes = this.bytesOf(handle)
    const at = firstOther(bytes, Poison.Freed)
    if (at >= 0) {
      const address = this.#blocks.address(handle)
      // The block is not given back: whoever wrote to it may do so again.
      this.#blocks.discard(handle)
      throw new DmaError(
        'DMA_POOL_CORRUPTED',
        `byte ${at} of a free block of the pool ${this.name}, at ${formatDmaAddress(address)}, is 0x${bytes[at]!.toString(16)}`,
        {
          hint: 'the CPU or the device wrote to it after it was freed: free a block when the device is done with it. It is not handed out again',
        },
      )
    }
    bytes.fill(Poison.Allocated)
    return handle
  }

  #makeView(slot: number): Uint8Array {
    const { offsets, stride } = this.#layout
    const { region, start, firstSlot } = this.#arenas.findLast((arena) => arena.firstSlot <= slot)!
    const unit = Math.floor((slot - firstSlot) / offsets.length)
    const offset = start + unit * stride + offsets[(slot - firstSlot) % offsets.length]!
    const view = region.bytesAt(offset, this.blockLength)
    this.#views[slot] = view
    return view
  }

  #closedError(): DmaError {
    return new DmaError('DMA_CLOSED', `the pool ${this.name} of ${this.device.name} is closed`)
  }
}

function firstOther(bytes: Uint8Array, value: number): number {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== value) return i
  return -1
}
