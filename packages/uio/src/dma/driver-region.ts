import { DmaError } from '@linux-dma/core'

/** Memory that a driver in the kernel allocated for its device, and that this process can map. */
export interface DriverRegion {
  /** Where it came from, in a few words: `uio_dmem_genirq map1`. */
  readonly origin: string
  /** Where the device finds the first byte, as the kernel says. */
  readonly busAddress: bigint
  readonly byteLength: number
  /** Where the device's descriptor has it. */
  readonly position: number
}

/** Addresses are numbers here, exact below this. */
const BEYOND_NUMBERS = 1n << 53n

/** Whether a device finds all of a region below its mask. */
export function isInReach({ busAddress, byteLength }: DriverRegion, mask: bigint): boolean {
  const end = busAddress + BigInt(byteLength)
  return end - 1n <= mask && end <= BEYOND_NUMBERS
}

/** That a device does not reach a region, and what to do about it. */
export function outOfReach(device: string, region: DriverRegion, mask: bigint): DmaError {
  const { origin, busAddress, byteLength } = region
  return new DmaError(
    'DMA_ABOVE_MASK',
    `${origin}, ${byteLength} bytes at 0x${busAddress.toString(16)}, is beyond what ${device} reaches: its coherent mask is 0x${mask.toString(16)}`,
    {
      hint: 'set the mask that the device really has, dmaSetCoherentMask(device, dmaBitMask(32)); where that is it, its driver in the kernel has to set it, since it allocates by its own',
    },
  )
}
