import type { DeviceDescription, RegisterDescription } from './description'

/** What a register holds: a bigint where it has 64 bits. */
export type RegisterValue<Description> = Description extends { readonly width: infer Width }
  ? Width extends 64
    ? bigint
    : number
  : number

type FieldNames<Description> = Description extends { readonly fields: infer Fields }
  ? keyof Fields & string
  : never

/**
 * A register, as its device sees it: no access kinds, no side effects. A value that is too large loses its upper bits, a
 * negative one is taken in two's complement.
 */
export interface DeviceRegister<
  Value extends number | bigint = number | bigint,
  Field extends string = string,
> {
  /** For messages: its name, and its place in an array. */
  readonly name: string
  get value(): Value
  set value(value: number | bigint)
  /** Named bits, each as an unsigned number. */
  readonly fields: { [Name in Field]: number }
}

type TypedRegister<Description> = Description extends { readonly count: number }
  ? readonly DeviceRegister<RegisterValue<Description>, FieldNames<Description>>[]
  : DeviceRegister<RegisterValue<Description>, FieldNames<Description>>

type Bars<Description extends DeviceDescription> = Description['bars'][number]

type RegisterTables<Bar> = Bar extends { readonly registers: infer Table } ? Table : never
type WindowTables<Bar> = Bar extends { readonly windows: infer Table } ? Table : never
type KeysOfAny<Table> = Table extends unknown ? keyof Table & string : never
type Lookup<Table, Name> = Table extends unknown ? (Name extends keyof Table ? Table[Name] : never) : never

/** Descriptions of a device's registers, by name, over all of its BARs. */
export type RegisterDescriptions<Description extends DeviceDescription> = {
  [Name in KeysOfAny<RegisterTables<Bars<Description>>>]: Lookup<
    RegisterTables<Bars<Description>>,
    Name
  > extends infer Found extends RegisterDescription
    ? Found
    : never
}

/** A device's registers by name: an array where the description has a `count`. */
export type DeviceRegisters<Description extends DeviceDescription> = {
  readonly [Name in keyof RegisterDescriptions<Description>]: TypedRegister<
    RegisterDescriptions<Description>[Name]
  >
}

/** A device's memory windows by name. */
export type DeviceWindows<Description extends DeviceDescription> = {
  readonly [Name in KeysOfAny<WindowTables<Bars<Description>>>]: Uint8Array
}
