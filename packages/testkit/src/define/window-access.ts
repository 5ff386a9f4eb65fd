import type { AccessWidth } from '../models/device-model'
import type { Window } from './bar-map'

/** A driver reads a device's memory, least significant byte first. */
export function loadWindow({ bytes, description }: Window, byteOffset: number, width: AccessWidth): bigint {
  const start = byteOffset - description.offset
  let value = 0n
  for (let at = width / 8 - 1; at >= 0; at--) value = (value << 8n) | BigInt(bytes[start + at]!)
  return value
}

/** A driver writes a device's memory. */
export function storeWindow(
  { bytes, description }: Window,
  byteOffset: number,
  width: AccessWidth,
  value: bigint,
): void {
  const start = byteOffset - description.offset
  for (let at = 0; at < width / 8; at++) bytes[start + at] = Number((value >> BigInt(at * 8)) & 0xffn)
}
