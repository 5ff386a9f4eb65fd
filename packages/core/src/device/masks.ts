import { DmaError } from '@linux-dma/native'
import { toBigInt } from '../vocabulary/address'
import type { DeviceChild, DmaDevice } from './dma-device'

/**
 * The mask of an `n`-bit bus. Mirrors `DMA_BIT_MASK(n)`.
 * @param bits 1 to 64
 * @throws DMA_INVALID_ARGUMENT
 */
export function dmaBitMask(bits: number): bigint {
  if (!Number.isInteger(bits) || bits < 1 || bits > 64) {
    throw new DmaError(
      'DMA_INVALID_ARGUMENT',
      `${String(bits)} address bits: not a whole number from 1 to 64`,
    )
  }
  return (1n << BigInt(bits)) - 1n
}

/**
 * Says which addresses the device can put on the bus for streaming mappings. Mirrors `dma_set_mask()`.
 * @param mask the highest address, normally `dmaBitMask(n)`
 * @throws EIO where the device's DMA path has no address below the mask; DMA_MASK_IN_USE where something that is mapped
 *   now lies above it; DMA_INVALID_ARGUMENT. The mask is then as it was.
 * @example
 * ```ts
 * dmaSetMask(device, dmaBitMask(28)) // before the first mapping: addresses are chosen below it
 * ```
 */
export function dmaSetMask(device: DmaDevice, mask: bigint): void {
  checkMask(device, mask, (child) => !child.coherent)
  device.setMasks({ streaming: mask })
}

/** The same for coherent allocations. Mirrors `dma_set_coherent_mask()`. @throws as {@link dmaSetMask} */
export function dmaSetCoherentMask(device: DmaDevice, mask: bigint): void {
  checkMask(device, mask, (child) => child.coherent)
  device.setMasks({ coherent: mask })
}

/** Both masks at once: both change, or neither. Mirrors `dma_set_mask_and_coherent()`. @throws as {@link dmaSetMask} */
export function dmaSetMaskAndCoherent(device: DmaDevice, mask: bigint): void {
  checkMask(device, mask, () => true)
  device.setMasks({ streaming: mask, coherent: mask })
}

/** The mask that reaches all that this device may be given. Mirrors `dma_get_required_mask()`. @throws DMA_CLOSED */
export function dmaGetRequiredMask(device: DmaDevice): bigint {
  device.assertOpen()
  return device.ops.requiredMask()
}

function checkMask(device: DmaDevice, mask: bigint, concerns: (child: DeviceChild) => boolean): void {
  device.assertOpen()
  if (typeof mask !== 'bigint' || mask <= 0n || mask > 0xffff_ffff_ffff_ffffn) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `mask is ${String(mask)}, not a bigint from 1 to 2^64 - 1`, {
      hint: 'use dmaBitMask(n) for a device with n address bits',
    })
  }
  if (!device.ops.supportsMask(mask)) {
    throw new DmaError('EIO', `${device.name}: no memory can be mapped at or below 0x${mask.toString(16)}`, {
      hint: `${device.ops.name} has no address that low: check the number of bits the device has`,
    })
  }
  for (const child of device.children) {
    if (!concerns(child)) continue
    const last = toBigInt(child.dmaAddress) + BigInt(child.byteLength) - 1n
    if (last <= mask) continue
    throw new DmaError(
      'DMA_MASK_IN_USE',
      `${device.name} has memory mapped up to 0x${last.toString(16)}, above the mask`,
      {
        hint: 'set the mask before the first mapping, region or coherent allocation',
      },
    )
  }
}
