import { DmaError } from '@linux-dma/core'
import type { UioMapInfo } from '../discovery/uio-device-info'

/** @throws DMA_NOT_MEMORY for registers, and for what may be registers unless `assumeMemory` says otherwise */
export function assertMemory(node: string, map: UioMapInfo, assumeMemory: boolean): void {
  const { addressKind, index } = map
  const label = labelOf(node, map)
  if (addressKind === 'registers') {
    throw new DmaError(
      'DMA_NOT_MEMORY',
      `${label} is registers, of which a buffer would be read byte by byte`,
      {
        hint: `use device.map(${index}): accesses of an exact width`,
      },
    )
  }
  if (addressKind !== 'unknown' || assumeMemory) return
  throw new DmaError(
    'DMA_NOT_MEMORY',
    `whether ${label} is memory or registers cannot be told from its address`,
    {
      hint: `where you know that it is memory: mapMemory(${index}, { assumeMemory: true }); root can tell by /proc/iomem; registers: device.map(${index})`,
    },
  )
}

/** @throws DMA_NOT_REGISTERS for what is known to be memory: its driver frees it when it goes */
export function assertRegisters(node: string, map: UioMapInfo): void {
  const { addressKind, index } = map
  if (addressKind !== 'memory' && addressKind !== 'kernel-pointer') return
  throw new DmaError('DMA_NOT_REGISTERS', `${labelOf(node, map)} is memory of its driver, and no registers`, {
    hint: `use device.mapMemory(${index}): bytes, which a DataView reads in any width`,
  })
}

function labelOf(node: string, { index, name }: UioMapInfo): string {
  return `map ${index}${name === '' ? '' : ` '${name}'`} of ${node}`
}
