import type { AccessWidth } from '../models/device-model'
import type { FieldDescription, RegisterAccessKind, RegisterDescription } from './description'

/** Which bits of a register behave in which way. */
export interface AccessMasks {
  /** Kept as written. */
  readonly kept: bigint
  readonly oneClears: bigint
  readonly oneSets: bigint
  /** What reads show. */
  readonly shown: bigint
  readonly readClears: bigint
}

/** The lowest bit of a field, and how many it has. */
export interface FieldBits {
  readonly lowest: number
  readonly count: number
}

/** So many ones. */
export function ones(count: number): bigint {
  return (1n << BigInt(count)) - 1n
}

export function bitsOf(field: FieldDescription): FieldBits {
  const bits = typeof field === 'object' && 'bits' in field ? field.bits : field
  const [lowest, highest] = typeof bits === 'number' ? [bits, bits] : bits
  return { lowest, count: highest - lowest + 1 }
}

/** Adds up what a register's fields say, or what it says itself where it has none. */
export function masksOf({ width, access = 'rw', fields }: RegisterDescription): AccessMasks {
  const byKind: Record<RegisterAccessKind, bigint> = { rw: 0n, ro: 0n, wo: 0n, w1c: 0n, w1s: 0n, rc: 0n }
  if (fields === undefined) byKind[access] = ones(width)
  else {
    for (const field of Object.values(fields)) {
      const { lowest, count } = bitsOf(field)
      const kind = typeof field === 'object' && 'bits' in field ? (field.access ?? access) : access
      byKind[kind] |= ones(count) << BigInt(lowest)
    }
  }
  return {
    kept: byKind.rw | byKind.wo,
    oneClears: byKind.w1c,
    oneSets: byKind.w1s,
    shown: ones(width) & ~byKind.wo,
    readClears: byKind.rc,
  }
}

/** Turns the order of bytes round. */
export function swapBytes(value: bigint, width: AccessWidth): bigint {
  let swapped = 0n
  for (let bit = 0; bit < width; bit += 8) swapped = (swapped << 8n) | ((value >> BigInt(bit)) & 0xffn)
  return swapped
}
