import { DmaError } from '@linux-dma/native'
import { shown } from '../checks/shown'

/** An access at an offset where there is no register of that width. */
export function noSuchRegister(
  region: string,
  byteOffset: unknown,
  width: number,
  { start, byteLength }: { start: number; byteLength: number },
): DmaError {
  const last = byteLength - width
  const unaligned =
    start % width === 0 ? '' : `, and this part begins at ${hexadecimal(start)}, which is none`
  const what = `no ${width * 8}-bit access at offset ${offsetShown(byteOffset)}`
  return new DmaError('DMA_RANGE', `${region}: ${what}`, {
    hint:
      last < 0
        ? `it has ${byteLength} bytes in all`
        : `${typeof byteOffset === 'number' ? '' : 'pass a number: '}offsets are multiples of ${width} from 0 to ${hexadecimal(last - (last % width))}${unaligned}`,
  })
}

/** A value that a register of that width cannot take, or that is of another type. */
export function notAValue(region: string, value: unknown, bits: number): DmaError {
  return new DmaError('DMA_VALUE_RANGE', `${region}: ${shown(value)} is no unsigned ${bits}-bit value`, {
    hint: bits === 64 ? 'pass a bigint from 0n to 2n ** 64n - 1n' : hintFor(value, bits),
  })
}

function hintFor(value: unknown, bits: number): string {
  if (typeof value !== 'number') return `pass a number from 0 to 0x${(2 ** bits - 1).toString(16)}`
  return 'use value >>> 0 to keep the lower 32 bits, & to mask fewer'
}

/** What is to be written as an address and is none: a number, whatever the compiler was told. */
export function notAnAddress(region: string, value: unknown): DmaError {
  return new DmaError('DMA_INVALID_ARGUMENT', `${region}: ${shown(value)} is no DMA address`, {
    hint: 'pass mapping.dmaAddress, region.dmaAddress, or what dmaAddress() makes of a number',
  })
}

/** In hexadecimal, as data sheets have it, unless it is no whole number. */
function offsetShown(byteOffset: unknown): string {
  return Number.isSafeInteger(byteOffset) ? hexadecimal(byteOffset as number) : shown(byteOffset)
}

function hexadecimal(value: number): string {
  return `${value < 0 ? '-' : ''}0x${Math.abs(value).toString(16)}`
}
