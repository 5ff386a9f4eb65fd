import type { Kernel } from '@linux-dma/core'
import { O_RDONLY } from '@linux-dma/native'
import { PCI_DEVICES, type PciBar, readPciDevice } from '@linux-dma/pci'
import { mapOfBar } from './maps'
import type { UioMapInfo, UioPciInfo } from './uio-device-info'

/** The command register in configuration space, and its bits, as linux/pci_regs.h has them. */
const PCI_COMMAND = 0x04
const PCI_COMMAND_MASTER = 0x4
const PCI_COMMAND_INTX_DISABLE = 0x400

/** Reads what everybody may know of the PCI device behind a UIO device. */
export function readPci(
  kernel: Kernel,
  address: string,
  bars: readonly PciBar[],
  maps: readonly UioMapInfo[],
): UioPciInfo {
  const { vendorId, deviceId, classCode } = readPciDevice(kernel, address)
  const command = readCommand(kernel, address)
  return {
    address,
    vendorId,
    deviceId,
    classCode,
    bars: bars.map((bar) => {
      const map = mapOfBar(kernel, bar, maps)
      return map === undefined ? bar : { ...bar, map: map.index }
    }),
    busMaster: (command & PCI_COMMAND_MASTER) !== 0,
    intxDisabled: (command & PCI_COMMAND_INTX_DISABLE) !== 0,
  }
}

/** The first 64 bytes of configuration space are shown to everybody. A device that does not answer reads as ones. */
function readCommand(kernel: Kernel, address: string): number {
  const fd = kernel.open(`${PCI_DEVICES}/${address}/config`, O_RDONLY)
  try {
    const bytes = new Uint8Array(2)
    const count = kernel.read(fd, bytes, PCI_COMMAND)
    const command = bytes[0]! | (bytes[1]! << 8)
    return count < 2 || command === 0xffff ? 0 : command
  } finally {
    kernel.close(fd)
  }
}
