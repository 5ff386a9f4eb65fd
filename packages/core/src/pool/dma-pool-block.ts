import { DmaError } from '@linux-dma/native'
import type { DmaAddress } from '../vocabulary/address'
import { DmaPool } from './dma-pool'
import type { PoolHandle } from './dma-pool-blocks'

/** One block of a pool, as an object. In hot loops use the pool's own `get` and `put`, which take numbers. */
export class DmaPoolBlock implements Disposable {
  readonly pool: DmaPool
  readonly #handle: PoolHandle
  /** Said here too: after thousands of reuses the handle's number comes round again. */
  #freed = false

  /** @internal use {@link dmaPoolAlloc} */
  constructor(pool: DmaPool) {
    this.pool = pool
    this.#handle = pool.get()
  }

  /** Where the device finds it. @throws DMA_NOT_ALLOCATED once freed; DMA_BUS_MASTER_OFF; DMA_CLOSED */
  get dmaAddress(): DmaAddress {
    this.#assertAllocated()
    return this.pool.addressOf(this.#handle)
  }

  /** Its bytes. @throws DMA_NOT_ALLOCATED once freed; DMA_CLOSED */
  get bytes(): Uint8Array {
    this.#assertAllocated()
    return this.pool.bytesOf(this.#handle)
  }

  /** Whether it was freed, or its pool closed. */
  get freed(): boolean {
    return this.#freed || this.pool.closed
  }

  /** See {@link dmaPoolFree}. */
  free(): void {
    this.#assertAllocated()
    this.pool.put(this.#handle)
    this.#freed = true
  }

  /** Frees where that has not been done. */
  [Symbol.dispose](): void {
    if (!this.freed) this.free()
  }

  #assertAllocated(): void {
    if (!this.#freed) return
    throw new DmaError('DMA_NOT_ALLOCATED', `the block of the pool ${this.pool.name} is freed already`, {
      hint: 'a block is freed once; look for the first free',
    })
  }
}

/**
 * Takes a block of a pool; its bytes are what was left in them. Mirrors `dma_pool_alloc()`.
 * @throws as `DmaPool.get`; DMA_INVALID_ARGUMENT for what is no pool
 * @example
 * ```ts
 * using command = dmaPoolAlloc(pool)
 * registers.writeAddress(0x80, command.dmaAddress)
 * ```
 */
export function dmaPoolAlloc(pool: DmaPool): DmaPoolBlock {
  assertPool('dmaPoolAlloc', pool)
  return new DmaPoolBlock(pool)
}

/** Takes a block of a pool, zeroed. Mirrors `dma_pool_zalloc()`. @throws as {@link dmaPoolAlloc} */
export function dmaPoolZalloc(pool: DmaPool): DmaPoolBlock {
  assertPool('dmaPoolZalloc', pool)
  const block = new DmaPoolBlock(pool)
  block.bytes.fill(0)
  return block
}

/** Gives a block back. Mirrors `dma_pool_free()`. @throws DMA_NOT_ALLOCATED the second time; DMA_WRONG_POOL; DMA_CLOSED */
export function dmaPoolFree(pool: DmaPool, block: DmaPoolBlock): void {
  assertPool('dmaPoolFree', pool)
  if (!(block instanceof DmaPoolBlock)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `${typeof block} is no block of a pool`, {
      hint: 'pass what dmaPoolAlloc() returned; a handle goes to pool.put(), an address to pool.handleAt()',
    })
  }
  if (block.pool !== pool) {
    throw new DmaError('DMA_WRONG_POOL', `the block is of the pool ${block.pool.name}, not ${pool.name}`, {
      hint: 'give it to the pool it came from: block.free() does',
    })
  }
  block.free()
}

/**
 * Ends a pool and gives its memory back. Mirrors `dma_pool_destroy()`. Idempotent. Blocks in use are told of through
 * `kernel.warn` (DMA_POOL_BUSY) and go with it: unlike the kernel, which leaks their pages, it can take them from the
 * device.
 * @throws what taking them from the device threw; that memory is then quarantined
 */
export function dmaPoolDestroy(pool: DmaPool): void {
  assertPool('dmaPoolDestroy', pool)
  pool.destroy()
}

function assertPool(of: string, pool: unknown): void {
  if (pool instanceof DmaPool) return
  throw new DmaError('DMA_INVALID_ARGUMENT', `${of}: ${pool === null ? 'null' : typeof pool} is no pool`, {
    hint: 'pass what dmaPoolCreate() returned',
  })
}
