import { DmaError } from '@linux-dma/native'
import { assertCoherentMemory } from '../allocation/coherent'
import { assertDevice, assertOptions } from '../checks/validate'
import type { DmaDevice } from '../device/dma-device'
import { DmaPool } from './dma-pool'
import { poolLayout } from './dma-pool-layout'

/** How a pool keeps its blocks: see {@link dmaPoolCreate}. */
export interface DmaPoolOptions {
  /**
   * Fill blocks that are free, and see at the next `get` whether something wrote to them: a device that was not done,
   * mostly. What the kernel does where it is built to find such mistakes. Costs two passes over each block.
   */
  check?: boolean
}

/**
 * Makes a pool of small coherent blocks. Mirrors `dma_pool_create()`, with its rules: a block takes at least 16 bytes,
 * rounded up to the alignment, and never lies across the boundary.
 * @param name what errors and `/proc` call it
 * @param byteLength of each block, 1 to 2^31 - 1
 * @param alignment of each block's address: a power of two. Default 1
 * @param boundary power of two that no block crosses a multiple of, a block or more; 0, the default, for none
 * @throws DMA_INVALID_ARGUMENT; DMA_NOT_COHERENT; DMA_BUS_MASTER_OFF; DMA_CLOSED
 * @example
 * ```ts
 * using pool = dmaPoolCreate('commands', device, 64, 64)
 * const block = pool.get()
 * registers.writeAddress(0x80, pool.addressOf(block))
 * pool.put(block)
 * ```
 */
export function dmaPoolCreate(
  name: string,
  device: DmaDevice,
  byteLength: number,
  alignment = 1,
  boundary = 0,
  options: DmaPoolOptions = {},
): DmaPool {
  assertOptions('dmaPoolCreate', options, ['check'])
  assertDevice('dmaPoolCreate', device)
  if (typeof name !== 'string' || !/^[^\0]{1,32}$/.test(name)) {
    throw new DmaError('DMA_INVALID_ARGUMENT', 'dmaPoolCreate: name is no text of 1 to 32 characters')
  }
  const layout = poolLayout(byteLength, alignment, boundary, device.kernel.pageSize)
  assertCoherentMemory(device)
  return new DmaPool(name, device, byteLength, layout, options.check === true)
}
