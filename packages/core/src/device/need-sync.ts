import { DmaError } from '@linux-dma/native'
import type { DmaAddress } from '../vocabulary/address'
import type { DmaDevice } from './dma-device'

/**
 * Whether the syncs of what is mapped at an address have anything to do. Where they have not, a driver can leave them
 * out. Mirrors `dma_need_sync()`.
 * @example
 * const mustSync = dmaNeedSync(device, mapping.dmaAddress)
 * @throws DMA_CLOSED
 */
export function dmaNeedSync(device: DmaDevice, address: DmaAddress): boolean {
  device.assertOpen()
  const { coherent, bouncer } = device.ops
  return !coherent || bouncer?.owns(device, address) === true
}

/** Whether any mapping of the device may need syncs. Mirrors `dma_dev_need_sync()`. @throws DMA_CLOSED */
export function dmaDevNeedSync(device: DmaDevice): boolean {
  device.assertOpen()
  return !device.ops.coherent || device.ops.bouncer !== undefined
}

/**
 * What `DmaAttribute.RequireCoherent` asks for.
 * @param bounced whether the transfer would go through a slot
 * @throws DMA_NOT_COHERENT
 */
export function assertCoherent(device: DmaDevice, bounced: boolean): void {
  if (!bounced && device.ops.coherent) return
  const why = bounced ? 'the buffer would be bounced' : `${device.ops.name} is not coherent`
  throw new DmaError('DMA_NOT_COHERENT', `${device.name}: RequireCoherent, and ${why}`, {
    hint: 'use memory that the device reaches in place, or leave DmaAttribute.RequireCoherent out and sync',
  })
}
