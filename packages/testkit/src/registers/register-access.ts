import type { AccessWidth } from '../models/device-model'

/** One access to a register, in its exact width. */
export interface RegisterAccess {
  read(byteOffset: number, width: 8 | 16 | 32): number | bigint
  write(byteOffset: number, width: 8 | 16 | 32, value: number): void
}

/** One that has accesses of 64 bits, too. */
export interface WideRegisterAccess {
  read(byteOffset: number, width: AccessWidth): number | bigint
  write(byteOffset: number, width: AccessWidth, value: number | bigint): void
}

/**
 * Moves bytes to or from registers in the widest aligned accesses of 32 bits or fewer: what a bus does for a device that
 * reaches into another one.
 */
export function accessRegisters(
  registers: RegisterAccess,
  byteOffset: number,
  bytes: Uint8Array,
  direction: 'read' | 'write',
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let done = 0; done < bytes.byteLength; ) {
    const width = widestAccess(byteOffset + done, bytes.byteLength - done)
    if (direction === 'read') setWidth(view, done, width, Number(registers.read(byteOffset + done, width)))
    else registers.write(byteOffset + done, width, getWidth(view, done, width))
    done += width / 8
  }
}

/** The same with accesses of 64 bits, where as many bytes are left: what the kernel does for a read of a descriptor. */
export function accessWideRegisters(
  registers: WideRegisterAccess,
  byteOffset: number,
  bytes: Uint8Array,
  direction: 'read' | 'write',
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let done = 0
  const narrow = (end: number) => {
    if (done < end) accessRegisters(registers, byteOffset + done, bytes.subarray(done, end), direction)
    done = Math.max(done, end)
  }
  narrow(Math.min(bytes.byteLength, (8 - (byteOffset % 8)) % 8))
  for (; bytes.byteLength - done >= 8; done += 8) {
    const at = byteOffset + done
    if (direction === 'read') view.setBigUint64(done, BigInt(registers.read(at, 64)), true)
    else registers.write(at, 64, view.getBigUint64(done, true))
  }
  narrow(bytes.byteLength)
}

function widestAccess(byteOffset: number, left: number): 8 | 16 | 32 {
  if (left >= 4 && byteOffset % 4 === 0) return 32
  return left >= 2 && byteOffset % 2 === 0 ? 16 : 8
}

/** Puts a value of 8, 16 or 32 bits into memory, little-endian. */
export function setWidth(view: DataView, at: number, width: 8 | 16 | 32, value: number): void {
  if (width === 32) view.setUint32(at, value, true)
  else if (width === 16) view.setUint16(at, value, true)
  else view.setUint8(at, value)
}

/** A value of 8, 16 or 32 bits in memory, little-endian. */
export function getWidth(view: DataView, at: number, width: 8 | 16 | 32): number {
  if (width === 32) return view.getUint32(at, true)
  return width === 16 ? view.getUint16(at, true) : view.getUint8(at)
}
