import { DmaError } from '@linux-dma/core'
import type { Holder } from './holder'

/**
 * That something of a device is somebody's.
 * @param hint what to do where that one is there to do it; who was forgotten does nothing any more
 */
export function takenBy(holder: Holder, code: string, message: string, hint: string): DmaError {
  const { forgottenAt } = holder
  if (forgottenAt === undefined) return new DmaError(code, message, { hint })
  return new DmaError(code, `${message}, which was forgotten: it was garbage-collected without close()`, {
    hint: `it stays so until this process ends; declare devices with 'using', or call close(); this one was opened\n${forgottenAt}`,
  })
}
