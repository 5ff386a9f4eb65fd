import { type DmaDevice, DmaError, type DmaMemory, isDmaError } from '@linux-dma/core'

/**
 * What `dma_map_sgtable()` answers where one segment could not be mapped: ENOMEM, else EIO, with the reason as its
 * cause. That memory is not coherent, which was asked for, is no matter of the segment.
 */
export function asMapError(i: number, error: unknown): unknown {
  if (!isDmaError(error) || error.code === 'ENOMEM' || error.code === 'DMA_NOT_COHERENT') return error
  const details = error.hint === undefined ? { cause: error } : { cause: error, hint: error.hint }
  const [reason] = error.message.split('\n')
  return new DmaError('EIO', `segment ${i} could not be mapped: ${reason}`, details)
}

export function notDmaMemory(i: number): DmaError {
  return new DmaError(
    'DMA_NOT_DMA_MEMORY',
    `segment ${i} lies in JavaScript’s own heap, which can not be pinned for a device`,
    {
      hint: 'allocate with allocateDmaMemory() and copy into it, or have the device go by bounceOps()',
    },
  )
}

export function wrongKernel(device: DmaDevice, memory: DmaMemory): DmaError {
  return new DmaError(
    'DMA_WRONG_KERNEL',
    `the memory is of the kernel '${memory.kernel.name}', ${device.name} of another, '${device.kernel.name}'`,
    { hint: 'allocate it where the device is: allocateDmaMemory({ byteLength, kernel: device.kernel })' },
  )
}

export function physicalRefused(device: DmaDevice): DmaError {
  return new DmaError(
    'DMA_UNSUPPORTED',
    `${device.ops.name} translates what ${device.name} addresses, so that frame numbers mean nothing to it`,
    { hint: 'make the table of the buffers themselves: SgTable.fromBuffers(views)' },
  )
}

/** A segment of physical memory that the device, or the bus that it is on, does not reach. */
export function aboveReach(device: DmaDevice, i: number, address: number, byteLength: number): unknown {
  const { busLimit } = device.ops
  const limit = busLimit === undefined ? '' : `, the bus limit 0x${busLimit.toString(16)}`
  return asMapError(
    i,
    new DmaError(
      'DMA_ABOVE_MASK',
      `${device.name} cannot reach 0x${address.toString(16)}+${byteLength}: its mask is 0x${device.dmaMask.toString(16)}${limit}`,
      {
        hint: 'set the mask that the device really has, dmaSetMask(device, dmaBitMask(64)); where that is it, bounce: setDmaOps(device, bounceOps(getDmaOps(device)))',
      },
    ),
  )
}

/** Of frames there is nothing to copy. */
export function frameWouldBounce(i: number, address: number, byteLength: number): DmaError {
  return new DmaError(
    'DMA_NO_CPU_VIEW',
    `segment ${i} at 0x${address.toString(16)}+${byteLength} would have to be bounced, and the CPU has no bytes of a frame`,
    { hint: 'make the table of the buffers themselves: SgTable.fromBuffers(views)' },
  )
}

export function notMapped(what: string, device: DmaDevice): DmaError {
  return new DmaError('DMA_NOT_MAPPED', `the ${what} of ${device.name} is mapped no longer`, {
    hint: 'it was unmapped, or its region, memory or device was closed; map the table again',
  })
}

export function deviceOwns(): DmaError {
  return new DmaError('DMA_DEVICE_OWNS', 'the device owns the bytes of the table now', {
    hint: 'call dmaSyncSgtableForCpu(device, mapped) first, or dmaUnmapSgtable(device, mapped) when it is done',
  })
}
