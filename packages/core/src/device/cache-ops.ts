import type { Kernel } from '@linux-dma/native'
import { toNumber } from '../vocabulary/address'
import type { DmaOps } from './dma-ops'

/**
 * What a path over plain memory says of caches. On a kernel where devices see what is in the CPU's, as on all real ones that VFIO
 * runs on, it is coherent, and there is nothing to do.
 * @internal
 */
export function cacheOps({
  dmaCaches,
}: Kernel): Pick<DmaOps, 'coherent' | 'syncForCpu' | 'syncForDevice' | 'bypassCaches'> {
  if (dmaCaches === undefined) return { coherent: true }
  return {
    coherent: false,
    syncForCpu: (device, address, byteLength, direction) =>
      dmaCaches.syncForCpu(device.name, toNumber(address), byteLength, direction),
    syncForDevice: (device, address, byteLength, direction) =>
      dmaCaches.syncForDevice(device.name, toNumber(address), byteLength, direction),
    bypassCaches: (device, address, byteLength) =>
      dmaCaches.bypass(device.name, toNumber(address), byteLength),
  }
}
