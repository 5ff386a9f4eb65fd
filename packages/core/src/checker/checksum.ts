/** A number that bytes have, and that other bytes are most unlikely to have: four at a time where they are aligned. */
export function checksum(bytes: Uint8Array): number {
  const { buffer, byteOffset, byteLength } = bytes
  let sum = 0x811c_9dc5 | 0
  let done = 0
  if (byteOffset % 4 === 0) {
    const words = new Int32Array(buffer, byteOffset, byteLength >> 2)
    for (let i = 0; i < words.length; i++) sum = Math.imul(sum ^ words[i]!, 0x0100_0193) ^ (sum >>> 15)
    done = words.length * 4
  }
  for (let i = done; i < byteLength; i++) sum = Math.imul(sum ^ bytes[i]!, 0x0100_0193) ^ (sum >>> 15)
  return sum
}
