import type { DmaDevice } from '../device/dma-device'
import type { DmaChecker } from './dma-checker'
import { MappingLedger } from './mapping-ledger'

/** The ledger that a device has from the start: none where nobody wants to know of its mappings. */
export function ledgerFor(device: DmaDevice, checker: DmaChecker | undefined): MappingLedger | undefined {
  const isWanted = checker !== undefined || device.kernel.dmaEvents !== undefined
  return isWanted ? new MappingLedger(device, checker) : undefined
}
