import { DmaError } from '@linux-dma/native'
import { assertDevice } from '../checks/validate'
import type { DmaDevice } from './dma-device'
import type { DmaOps } from './dma-ops'

/** The DMA path that a device goes by now. Mirrors `get_dma_ops()`. */
export function getDmaOps(device: DmaDevice): DmaOps {
  return device.ops
}

/**
 * Has a device go by another DMA path, such as one that {@link bounceOps} made of its own. Mirrors `set_dma_ops()`. Slots of the
 * old path that nothing uses any more are given back.
 * @throws DMA_IN_USE while something is mapped for the device; DMA_INVALID_ARGUMENT for what is no DMA path; DMA_CLOSED; what
 *   taking the slots from the device threw. It goes by the old path then.
 * @example
 * ```ts
 * setDmaOps(device, bounceOps(getDmaOps(device), { byteLength: 1 << 20 }))
 * ```
 */
export function setDmaOps(device: DmaDevice, ops: DmaOps): void {
  assertDevice('setDmaOps', device)
  if (typeof ops?.mapPages !== 'function') {
    throw new DmaError(
      'DMA_INVALID_ARGUMENT',
      `setDmaOps: ${ops === null ? 'null' : typeof ops} is no DMA path`,
      {
        hint: 'pass what bounceOps(), directOps() or getDmaOps() returned',
      },
    )
  }
  device.assertOpen()
  // Beside other mappings they stay: the path is not changed then.
  if (device.children.size === 1) device.ops.bouncer?.closeIdle?.(device)
  if (device.children.size > 0) {
    throw new DmaError('DMA_IN_USE', `${device.name} has ${device.children.size} mappings of another path`, {
      hint: 'set the DMA path before the first region, mapping, pool or allocation, or end those first',
    })
  }
  device.setOps(ops)
}
