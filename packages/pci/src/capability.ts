import { isDmaError } from '@linux-dma/core'
import type { RegisterWindow } from '@linux-dma/native'
import { PCI_CAPABILITY_LIST, PCI_STATUS, PCI_STATUS_CAP_LIST } from './constants'

type Config = Pick<RegisterWindow, 'read8' | 'read16'>

/**
 * Offset of the first capability of a kind in configuration space; undefined where there is none, and where this process
 * may not read that far: sysfs shows the first 64 bytes to those without CAP_SYS_ADMIN. Mirrors `pci_find_capability()`.
 * @param wanted the capability's id, such as 0x01 for power management
 * @throws EIO where the device does not answer
 * @example
 * ```ts
 * const power = findCapability(device.config, 0x01)
 * ```
 */
export function findCapability(config: Config, wanted: number): number | undefined {
  if ((config.read16(PCI_STATUS) & PCI_STATUS_CAP_LIST) === 0) return undefined
  const first = config.read8(PCI_CAPABILITY_LIST) & ~3
  try {
    return walk(config, first, wanted)
  } catch (error) {
    if (isDmaError(error, 'EIO')) return undefined
    throw error
  }
}

function walk(config: Config, first: number, wanted: number): number | undefined {
  const seen = new Set<number>()
  let at = first
  while (at >= 0x40 && !seen.has(at)) {
    if (config.read8(at) === wanted) return at
    seen.add(at)
    at = config.read8(at + 1) & ~3
  }
  return undefined
}
