import type { RegisterWindow } from '@linux-dma/native'
import { PCI_CAPABILITY_LIST, PCI_STATUS, PCI_STATUS_CAP_LIST } from './constants'

/** Offset of the first capability of a kind in configuration space. Mirrors `pci_find_capability()`. */
export function findCapability(
  config: Pick<RegisterWindow, 'read8' | 'read16'>,
  wanted: number,
): number | undefined {
  if ((config.read16(PCI_STATUS) & PCI_STATUS_CAP_LIST) === 0) return undefined
  const seen = new Set<number>()
  let at = config.read8(PCI_CAPABILITY_LIST) & ~3
  while (at >= 0x40 && !seen.has(at)) {
    if (config.read8(at) === wanted) return at
    seen.add(at)
    at = config.read8(at + 1) & ~3
  }
  return undefined
}
