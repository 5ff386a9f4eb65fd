import { types } from 'node:util'
import { DmaError } from './errors'

const MAXIMUM_DESCRIPTOR = 0x7fffffff

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'object' && value !== null) return Object.prototype.toString.call(value)
  return typeof value === 'function' ? 'a function' : String(value)
}

/** The error for an argument that cannot be: names it, what it was, and what it may be. */
export function invalidArgument(name: string, value: unknown, expected: string): DmaError {
  return new DmaError('DMA_INVALID_ARGUMENT', `${name} is ${show(value)}, not ${expected}`)
}

/** A safe integer from `minimum` to `maximum`. @throws DMA_INVALID_ARGUMENT */
export function checkInteger(name: string, value: unknown, minimum: number, maximum: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= minimum && (value as number) <= maximum)
    return value as number
  throw invalidArgument(name, value, `an integer from ${minimum} to ${maximum}`)
}

/** A descriptor: 0 to 2^31 - 1. @throws DMA_INVALID_ARGUMENT */
export function checkDescriptor(fd: unknown, name = 'fd'): number {
  return checkInteger(name, fd, 0, MAXIMUM_DESCRIPTOR)
}

/** Text that can be a C string, and is not empty. @throws DMA_INVALID_ARGUMENT */
export function checkText(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value
  throw invalidArgument(name, value, 'a string with no NUL in it, one character or more')
}

/**
 * Bytes that the kernel may read and write in place: a Uint8Array whose memory neither moves nor vanishes.
 * @throws DMA_INVALID_ARGUMENT
 */
export function checkBytes(name: string, value: unknown): Uint8Array {
  if (!types.isUint8Array(value)) throw invalidArgument(name, value, 'a Uint8Array')
  checkBuffer(name, value)
  return value
}

/** Memory that neither moves nor vanishes. @throws DMA_INVALID_ARGUMENT where the view's memory is detached, resizable or shared */
export function checkBuffer(name: string, view: Uint8Array | BigUint64Array): void {
  const { buffer } = view
  if (types.isSharedArrayBuffer(buffer))
    throw invalidArgument(name, buffer, 'on memory that no other thread writes')
  if ((buffer as ArrayBuffer & { resizable?: boolean }).resizable === true) {
    throw invalidArgument(name, 'on a resizable ArrayBuffer', 'on one of fixed length')
  }
  if (view.byteLength === 0 && isDetached(buffer as ArrayBuffer)) {
    throw invalidArgument(name, 'on a detached ArrayBuffer', 'on a live one')
  }
}

function isDetached(buffer: ArrayBuffer): boolean {
  try {
    new Uint8Array(buffer)
    return false
  } catch {
    return true
  }
}

/**
 * A plain options object, with no name but these.
 * @throws DMA_INVALID_ARGUMENT
 */
export function checkOptions<Options extends object>(
  of: string,
  value: Options | undefined,
  known: readonly (keyof Options & string)[],
): Options {
  if (value === undefined) return {} as Options
  if (typeof value !== 'object' || value === null) throw invalidArgument(`${of}: options`, value, 'an object')
  for (const name of Object.keys(value)) {
    if (!(known as readonly string[]).includes(name)) {
      throw new DmaError('DMA_INVALID_ARGUMENT', `${of}: no option is called '${name}'`, {
        hint: `the options are: ${known.join(', ')}`,
      })
    }
  }
  return value
}

/** An AbortSignal, or none. @throws DMA_INVALID_ARGUMENT */
export function checkSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value) {
    return value as AbortSignal
  }
  throw invalidArgument('signal', value, 'an AbortSignal')
}
