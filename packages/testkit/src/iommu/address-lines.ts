/**
 * Does an access as a device with so many address lines does it: the bits above them are not there, and an access that runs over the
 * last address goes on at 0. `onCut` is told what the first address became, where that is another one.
 * @param lines address bits that the device drives: 1 to 64
 * @returns whether all bytes went
 */
export function throughAddressLines(
  lines: number,
  address: number | bigint,
  bytes: Uint8Array,
  move: (address: number, bytes: Uint8Array) => boolean,
  onCut: (address: number) => void,
): boolean {
  const whole = BigInt(address)
  const end = 1n << BigInt(lines)
  let at = BigInt.asUintN(lines, whole)
  if (at !== whole || at + BigInt(bytes.byteLength) > end) onCut(Number(at))
  let complete = true
  for (let done = 0; done < bytes.byteLength; at = 0n) {
    const room = end - at
    const part = bytes.subarray(done, room < bytes.byteLength - done ? done + Number(room) : undefined)
    complete = move(Number(at), part) && complete
    done += part.byteLength
  }
  return complete
}
