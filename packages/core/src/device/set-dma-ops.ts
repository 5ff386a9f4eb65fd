import { DmaError } from '@linux-dma/native'
import type { DmaDevice } from './dma-device'
import type { DmaOps } from './dma-ops'

/** The DMA path that a device goes by now. Mirrors `get_dma_ops()`. */
export function getDmaOps(device: DmaDevice): DmaOps {
  return device.ops
}

/**
 * Has a device go by another DMA path, such as one that {@link bounceOps} made of its own. Mirrors `set_dma_ops()`.
 * @throws DMA_IN_USE while something is mapped for the device; DMA_CLOSED
 * @example
 * ```ts
 * setDmaOps(device, bounceOps(getDmaOps(device), { byteLength: 1 << 20 }))
 * ```
 */
export function setDmaOps(device: DmaDevice, ops: DmaOps): void {
  device.assertOpen()
  if (device.children.size > 0) {
    throw new DmaError('DMA_IN_USE', `${device.name} has ${device.children.size} mappings of another path`, {
      hint: 'set the DMA path before the first region, mapping or allocation',
    })
  }
  device.setOps(ops)
}
