// The engine's own accessors: an object's own property of that name could say anything.
const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object
const get = (field: string) => Object.getOwnPropertyDescriptor(typedArray, field)!.get!
const bufferOf = get('buffer')
const byteOffsetOf = get('byteOffset')
const byteLengthOf = get('byteLength')

/**
 * The same memory as signed integers of 32 bits: the engine computes with those without converting. Empty for a view
 * whose buffer is detached.
 */
export function int32sOf(view: Uint32Array | BigUint64Array): Int32Array {
  const byteLength = byteLengthOf.call(view) as number
  if (byteLength === 0) return new Int32Array(0)
  return new Int32Array(bufferOf.call(view) as ArrayBuffer, byteOffsetOf.call(view) as number, byteLength / 4)
}
