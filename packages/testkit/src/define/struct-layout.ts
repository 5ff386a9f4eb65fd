import { checkInteger, checkOptionNames } from '../arguments'
import { invalidArgument } from '../errors'
import type { AccessWidth } from '../models/device-model'
import { checkNoOverlap } from './check-places'

/** A field of a structure in memory. */
export interface StructField {
  /** Bytes from the start of the structure; a field need not be aligned. */
  readonly offset: number
  /** Bits. */
  readonly width: AccessWidth
}

/** What a structure in memory looks like. */
export interface StructDescription {
  readonly byteLength: number
  /** `little` by default. */
  readonly endian?: 'little' | 'big'
  readonly fields: Readonly<Record<string, StructField>>
}

/** The fields of a structure: a bigint for one of 64 bits. */
export type StructValues<Description extends StructDescription> = {
  -readonly [Name in keyof Description['fields']]: Description['fields'][Name]['width'] extends 64
    ? bigint
    : number
}

/** The fields that a layout has. */
export type StructValuesOf<Layout> = Layout extends StructLayout<infer Values> ? Values : never

/** A structure in memory, such as a descriptor. Made by {@link defineStruct}. */
export interface StructLayout<Values extends object> {
  readonly byteLength: number
  /** Bytes from the start of the structure to a field, and how many it has. */
  place(field: keyof Values): { readonly offset: number; readonly byteLength: number }
  /** Reads all fields. `bytes` has `byteLength` bytes at least. */
  decode(bytes: Uint8Array): Values
  /** Writes the fields that are given; what is too large for one loses its upper bits. */
  encode(values: Partial<Values>, bytes?: Uint8Array): Uint8Array
}

/**
 * Describes a structure in memory, field by field.
 * @throws `DMA_INVALID_ARGUMENT` where fields overlap or lie outside
 * @example
 * ```ts
 * const descriptor = defineStruct({
 *   byteLength: 16,
 *   fields: { address: { offset: 0, width: 64 }, length: { offset: 8, width: 16 }, status: { offset: 12, width: 8 } },
 * })
 * descriptor.decode(bytes).length
 * ```
 */
export function defineStruct<const Description extends StructDescription>(
  description: Description,
): StructLayout<StructValues<Description>> {
  checkStruct(description)
  const { byteLength, endian = 'little' } = description
  const fields: Readonly<Record<string, StructField>> = description.fields
  const little = endian === 'little'
  return {
    byteLength,
    place(name) {
      const { offset, width } = fields[name as string]!
      return { offset, byteLength: width / 8 }
    },
    decode(bytes) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, byteLength)
      const decoded = Object.entries(fields).map(([name, field]) => [name, load(view, field, little)])
      return Object.fromEntries(decoded) as StructValues<Description>
    },
    encode(values, bytes = new Uint8Array(byteLength)) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, byteLength)
      for (const [name, value] of Object.entries(values) as [string, number | bigint][]) {
        const field = fields[name]
        if (field === undefined) {
          return invalidArgument(
            `the structure has no field '${name}'`,
            `use one of: ${Object.keys(fields).join(', ')}`,
          )
        }
        store(view, field, little, value)
      }
      return bytes
    },
  }
}

function checkStruct(description: StructDescription): void {
  checkOptionNames(description, ['byteLength', 'endian', 'fields'], 'defineStruct')
  const { byteLength, fields } = description
  checkInteger(byteLength, 'byteLength', 1)
  const places = Object.entries(fields).map(([name, field]) => {
    checkOptionNames(field, ['offset', 'width'], `defineStruct: field ${name}`)
    const { offset, width } = field
    if (![8, 16, 32, 64].includes(width))
      invalidArgument(`field ${name} is ${String(width)} bits wide`, 'a field has 8, 16, 32 or 64 bits')
    checkInteger(offset, `offset of ${name}`, 0)
    return { name, start: offset, end: offset + width / 8 }
  })
  checkNoOverlap(places, byteLength, 'defineStruct', 'the structure')
}

function load(view: DataView, { offset, width }: StructField, little: boolean): number | bigint {
  if (width === 64) return view.getBigUint64(offset, little)
  if (width === 32) return view.getUint32(offset, little)
  return width === 16 ? view.getUint16(offset, little) : view.getUint8(offset)
}

function store(
  view: DataView,
  { offset, width }: StructField,
  little: boolean,
  value: number | bigint,
): void {
  if (width === 64) view.setBigUint64(offset, BigInt(value), little)
  else if (width === 32) view.setUint32(offset, Number(value), little)
  else if (width === 16) view.setUint16(offset, Number(value), little)
  else view.setUint8(offset, Number(value))
}
