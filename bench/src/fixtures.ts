import { DmaDevice, type DmaOps, dmaAddress, IoRegion } from '@linux-dma/core'
import { linuxKernel } from '@linux-dma/native'

/** Above 4 GiB, so that every address needs more than 32 bits: the harder case for JavaScript. */
export const DMA_ADDRESS = 0x1_2340_0000

/** The real kernel of the machine that this runs on. */
export const kernel = linuxKernel()

const open = new Set<DmaDevice>()

/**
 * A coherent device whose mappings cost nothing to set up: the kind of DMA path that a VFIO device has once a region is
 * registered, on a machine without VFIO.
 */
export function createDevice(): DmaDevice {
  const ops: DmaOps = {
    name: 'bench',
    coherent: true,
    pins: true,
    mapPages: () => dmaAddress(DMA_ADDRESS),
    unmapPages: () => {},
    supportsMask: () => true,
    requiredMask: () => 0xffff_ffff_ffff_ffffn,
    maxMappingSize: () => Number.MAX_SAFE_INTEGER,
    optMappingSize: () => Number.MAX_SAFE_INTEGER,
  }
  const device = new DmaDevice('bench', kernel, ops)
  open.add(device)
  return device
}

/** Closes every device that a row has made, and with them their regions, before the next row is measured. */
export function closeDevices(): void {
  for (const device of open) device.close()
  open.clear()
}

/** A register window over ordinary shared memory, and its descriptor for the C side to map as well. */
export function createRegisters(byteLength: number): { registers: IoRegion; fd: number } {
  const fd = kernel.memfd('bench-registers', { byteLength })
  const window = kernel.mapRegisters(fd, { byteLength })
  return { registers: new IoRegion(window, { name: 'bench registers', clock: kernel.clock }), fd }
}
