import type { DeviceChild } from '../device/dma-device'
import type { MappingLedger } from './mapping-ledger'

/** Tells all that a device has that there is a ledger now, and which; undefined: none any more. */
export function attendChildren(children: Iterable<DeviceChild>, ledger: MappingLedger | undefined): void {
  for (const child of children) {
    if (child.attend) child.attend(ledger)
    // An allocation of another package's.
    else if (child.coherent && child.byteLength > 0) {
      ledger?.wholes.allocated(child, child.dmaAddress, child.byteLength, false)
    }
  }
}
