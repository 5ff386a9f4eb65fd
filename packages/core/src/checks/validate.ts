import { DmaError } from '@linux-dma/native'
import { shown } from './shown'

/** @throws DMA_INVALID_ARGUMENT where `device` is no device that can do DMA, of whichever copy of this package */
export function assertDevice(of: string, device: unknown): void {
  if (typeof (device as { assertReady?: unknown } | null | undefined)?.assertReady === 'function') return
  throw new DmaError('DMA_INVALID_ARGUMENT', `${of}: ${shown(device)} is no device`, {
    hint: `the device comes first: ${of}(device, …), as openVfioDevice() or openUio() returned it`,
  })
}

/** @throws DMA_INVALID_ARGUMENT where `options` is no object or has a property that is not in `known` */
export function assertOptions(of: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new DmaError('DMA_INVALID_ARGUMENT', `${of}: options is ${shown(options)}, not an object`, {
      hint: `pass { ${known.join(', ')} }, or those of them that are needed`,
    })
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    throw known.includes('kernel') && isKernel(options)
      ? new DmaError('DMA_INVALID_ARGUMENT', `${of}: options is a kernel, and not an object with one`, {
          hint: 'put it into braces: { kernel }',
        })
      : new DmaError('DMA_INVALID_ARGUMENT', `${of}: no option is called '${name}'`, {
          hint: `the options are ${known.join(', ')}`,
        })
  }
}

function isKernel(value: object): boolean {
  return typeof (value as { ioctl?: unknown }).ioctl === 'function'
}

/** @throws DMA_INVALID_ARGUMENT where `value` is not an integer from 1 to 2^53 - 1 */
export function assertByteLength(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return
  throw new DmaError(
    'DMA_INVALID_ARGUMENT',
    `${name} is ${shown(value)}, not a positive whole number of bytes`,
  )
}

/** @throws DMA_RANGE where [byteOffset, byteOffset + byteLength) is empty or not inside [0, limit) */
export function assertRange(of: string, byteOffset: number, byteLength: number, limit: number): void {
  if (
    Number.isSafeInteger(byteOffset) &&
    Number.isSafeInteger(byteLength) &&
    byteOffset >= 0 &&
    byteLength > 0 &&
    byteOffset + byteLength <= limit
  ) {
    return
  }
  throw new DmaError(
    'DMA_RANGE',
    `${of}: offset ${shown(byteOffset)}, length ${shown(byteLength)} is not inside its ${limit} bytes`,
    {
      hint:
        Number.isSafeInteger(byteOffset) && byteOffset >= 0 && byteOffset < limit && byteLength > 0
          ? `from offset ${byteOffset} on there are ${limit - byteOffset} bytes`
          : 'offset and length are whole numbers of bytes, the length at least 1',
    },
  )
}

/** @throws DMA_INVALID_ARGUMENT where `signal` is neither undefined nor an AbortSignal */
export function assertSignal(of: string, signal: AbortSignal | undefined): void {
  if (signal === undefined || signal instanceof AbortSignal) return
  throw new DmaError('DMA_INVALID_ARGUMENT', `${of}: signal is no AbortSignal`)
}

/** @throws DMA_INVALID_ARGUMENT where `milliseconds` is not a finite number of 0 or more */
export function assertMilliseconds(name: string, milliseconds: number): void {
  if (typeof milliseconds === 'number' && milliseconds >= 0 && milliseconds <= Number.MAX_SAFE_INTEGER) return
  throw new DmaError('DMA_INVALID_ARGUMENT', `${name} is ${shown(milliseconds)}, not a number of 0 or more`)
}
