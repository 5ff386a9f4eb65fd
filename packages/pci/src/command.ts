import type { Kernel } from '@linux-dma/core'
import { O_RDONLY } from '@linux-dma/native'
import { PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, PCI_COMMAND_MASTER } from './constants'
import { PCI_DEVICES } from './pci-address'

/** What the command register of a PCI device says. */
export interface PciCommand {
  /** Whether the device may start transfers of its own. */
  readonly busMaster: boolean
  /** Whether its interrupt pin is held back. */
  readonly intxDisabled: boolean
}

/**
 * Reads the command register through sysfs, which shows the beginning of configuration space to everybody. All is off while
 * the device does not answer.
 * @param address as sysfs has it: {@link parsePciAddress}
 * @throws ENOENT where there is no such device
 * @example
 * ```ts
 * if (!readPciCommand(kernel, '0000:00:04.0').busMaster) console.log('it moves nothing')
 * ```
 */
export function readPciCommand(kernel: Kernel, address: string): PciCommand {
  const fd = kernel.open(`${PCI_DEVICES}/${address}/config`, O_RDONLY)
  try {
    const bytes = new Uint8Array(2)
    const count = kernel.read(fd, bytes, PCI_COMMAND)
    const value = bytes[0]! | (bytes[1]! << 8)
    const command = count < 2 || value === 0xffff ? 0 : value
    return {
      busMaster: (command & PCI_COMMAND_MASTER) !== 0,
      intxDisabled: (command & PCI_COMMAND_INTX_DISABLE) !== 0,
    }
  } finally {
    kernel.close(fd)
  }
}
