import { DmaError } from '@linux-dma/core'

/** What every call says once a device's driver was unbound, or the device unplugged, while it was open. */
export function deviceGone(node: string, cause?: unknown): DmaError {
  return new DmaError(
    'DMA_DEVICE_GONE',
    `${node} is gone: its driver was unbound while it was open, or the device unplugged`,
    {
      hint: 'close() it; when it is back, which listUioDevices() tells, open it again: its number may be another one',
      cause,
    },
  )
}
