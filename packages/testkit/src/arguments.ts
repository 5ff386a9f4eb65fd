import { types } from 'node:util'
import { invalidArgument } from './errors'

/** Throws when `options` has a name that is not in `known`: a misspelled option must not be ignored. */
export function checkOptionNames(options: object, known: readonly string[], owner: string): void {
  if (typeof options !== 'object' || options === null) {
    invalidArgument(`${owner}: the options are ${describe(options)}, not an object`)
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      invalidArgument(`${owner} has no option '${name}'`, `use one of: ${known.join(', ')}`)
    }
  }
}

/** A safe integer of `minimum` or more, or a `DMA_INVALID_ARGUMENT` that names the argument. */
export function checkInteger(
  value: unknown,
  name: string,
  minimum: number,
  maximum = Number.MAX_SAFE_INTEGER,
) {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < minimum || value > maximum) {
    invalidArgument(`${name} is ${describe(value)}, not an integer from ${minimum} to ${maximum}`)
  }
  return value
}

/** A number of milliseconds, 0 or more. */
export function checkMilliseconds(value: unknown, name: string): number {
  if (typeof value !== 'number' || !(value >= 0) || value === Number.POSITIVE_INFINITY) {
    invalidArgument(`${name} is ${describe(value)}, not a number of milliseconds of 0 or more`)
  }
  return value
}

/** A `Uint8Array` (a Buffer is one) whose memory neither moves nor vanishes. */
export function checkBytes(value: unknown, name: string): Uint8Array {
  if (!types.isUint8Array(value)) return invalidArgument(`${name} is ${describe(value)}, not a Uint8Array`)
  const { buffer } = value
  if (types.isSharedArrayBuffer(buffer)) invalidArgument(`${name} is on memory that other threads may write`)
  if ((buffer as { resizable?: boolean }).resizable) invalidArgument(`${name} is on a resizable ArrayBuffer`)
  if (value.byteLength === 0 && isDetached(buffer as ArrayBuffer)) {
    invalidArgument(`${name} is on a detached ArrayBuffer`)
  }
  return value
}

/** A string with no NUL in it, one character or more. */
export function checkText(value: unknown, name: string): string {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value
  return invalidArgument(`${name} is ${describe(value)}, not a string without NUL`)
}

function isDetached(buffer: ArrayBuffer): boolean {
  try {
    new Uint8Array(buffer)
    return false
  } catch {
    return true
  }
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'object' && value !== null) return Object.prototype.toString.call(value)
  return typeof value === 'function' ? 'a function' : String(value)
}
