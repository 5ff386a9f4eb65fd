import type { Kernel } from '@linux-dma/core'
import type { PciBar } from '@linux-dma/pci'
import { addressKind, type MapOwner } from './address-kind'
import { numbersIn, readNumber, readOptional } from './sysfs'
import type { SystemMemory } from './system-memory'
import type { UioMapInfo } from './uio-device-info'

/** What the 2008 patch allocates is numbered from here on; a driver's own maps are five at most. */
const FIRST_DMA_MEMORY = 1000

/** Reads `maps/` of a UIO device, which is there only if it has any. */
export function readMaps(
  kernel: Kernel,
  folder: string,
  owner: MapOwner,
  bars: readonly PciBar[],
  memory: SystemMemory,
): UioMapInfo[] {
  return numbersIn(kernel, `${folder}/maps`, 'map').map((index) => {
    const map = `${folder}/maps/map${index}`
    const text = kernel.readText(`${map}/addr`).trim()
    const address = BigInt(text)
    const byteOffset = Number(readOptional(kernel, `${map}/offset`) ?? 0)
    const start = startOf(kernel, address, byteOffset)
    const bar = bars.find((candidate) => isInside(candidate, start))
    const dmaMemory = index >= FIRST_DMA_MEMORY
    return {
      index,
      name: readOptional(kernel, `${map}/name`) ?? '',
      address,
      addressKind: addressKind(kernel, { text, address, inBar: bar !== undefined, dmaMemory }, owner, memory),
      byteLength: readNumber(kernel, `${map}/size`),
      byteOffset,
      ...(bar === undefined ? {} : { bar: bar.index }),
      ...(dmaMemory ? { dmaMemory } : {}),
    }
  })
}

/** The map that shows all of a BAR. */
export function mapOfBar(kernel: Kernel, bar: PciBar, maps: readonly UioMapInfo[]): UioMapInfo | undefined {
  return maps.find(
    ({ address, byteOffset, byteLength }) =>
      startOf(kernel, address, byteOffset) === bar.address && byteLength >= bar.byteLength,
  )
}

/** Where the device's part of a map begins. Drivers write either all of it to `addr`, or its page there and the rest to `offset`. */
function startOf({ pageSize }: Kernel, address: bigint, byteOffset: number): bigint {
  return address % BigInt(pageSize) === 0n ? address + BigInt(byteOffset) : address
}

function isInside({ kind, address, byteLength }: PciBar, at: bigint): boolean {
  return kind === 'memory' && at >= address && at < address + BigInt(byteLength)
}
