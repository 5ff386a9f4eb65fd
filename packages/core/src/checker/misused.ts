import type { DmaError } from '@linux-dma/native'
import type { DmaDevice } from '../device/dma-device'
import type { DmaReportFacts } from './dma-report'
import type { DmaMisuse } from './misuse'

/**
 * An error for a misuse that is refused with or without a checker: with one it is a report, of the same code.
 * @internal
 */
export function misused(
  device: DmaDevice,
  misuse: DmaMisuse,
  error: DmaError,
  facts: DmaReportFacts = {},
): DmaError {
  return device.ledger?.checker?.refused(device, misuse, error, facts) ?? error
}
