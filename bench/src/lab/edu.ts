import type { Kernel } from '@linux-dma/core'
import { PCI_DEVICES } from '@linux-dma/pci'

/** Of QEMU's edu device: what raises an interrupt, and what ends it. */
export const RAISE_INTERRUPT = 0x60
export const ACKNOWLEDGE_INTERRUPT = 0x64

const EDU = { vendor: '0x1234', device: '0x11e8' }

/** PCI addresses of all edu devices, in order. */
export function findEdus(kernel: Kernel): string[] {
  return kernel.list(PCI_DEVICES).filter((name) => {
    const identity = (file: string) => kernel.readText(`${PCI_DEVICES}/${name}/${file}`).trim()
    return identity('vendor') === EDU.vendor && identity('device') === EDU.device
  })
}
