import type { Kernel } from '@linux-dma/core'
import { type PciBar, readPciCommand, readPciDevice } from '@linux-dma/pci'
import { mapOfBar } from './maps'
import type { UioMapInfo, UioPciInfo } from './uio-device-info'

/** Reads what everybody may know of the PCI device behind a UIO device. */
export function readPci(
  kernel: Kernel,
  address: string,
  bars: readonly PciBar[],
  maps: readonly UioMapInfo[],
): UioPciInfo {
  const { vendorId, deviceId, classCode } = readPciDevice(kernel, address)
  return {
    address,
    vendorId,
    deviceId,
    classCode,
    bars: bars.map((bar) => {
      const map = mapOfBar(kernel, bar, maps)
      return map === undefined ? bar : { ...bar, map: map.index }
    }),
    ...readPciCommand(kernel, address),
  }
}
