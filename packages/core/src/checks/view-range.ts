/** Where a view lies: its buffer, and the bytes of it that it covers. */
export interface ViewRange {
  readonly buffer: ArrayBufferLike
  readonly byteOffset: number
  readonly byteLength: number
}

type Field = keyof ViewRange

// The engine's own accessors: an object's own property of that name could say anything, and a device would believe it.
const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object
const kindOf = Object.getOwnPropertyDescriptor(typedArray, Symbol.toStringTag)!.get!
const ofTypedArray = accessors(typedArray)
const ofDataView = accessors(DataView.prototype)

/** Where a view lies, whatever its own properties claim. Zero bytes at 0 for a detached `DataView`. */
export function rangeOf(view: ArrayBufferView): ViewRange {
  // Undefined for a DataView, of whatever realm.
  const get = kindOf.call(view) === undefined ? ofDataView : ofTypedArray
  const buffer = get.buffer.call(view) as ArrayBufferLike
  try {
    return {
      buffer,
      byteOffset: Number(get.byteOffset.call(view)),
      byteLength: Number(get.byteLength.call(view)),
    }
  } catch {
    return { buffer, byteOffset: 0, byteLength: 0 }
  }
}

function accessors(prototype: object): Record<Field, () => unknown> {
  const get = (field: Field) => Object.getOwnPropertyDescriptor(prototype, field)!.get!
  return { buffer: get('buffer'), byteOffset: get('byteOffset'), byteLength: get('byteLength') }
}
