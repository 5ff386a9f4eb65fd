/** Bytes in base64 as a hex dump of at most `most` bytes. */
export function hexDump(base64: string, most: number): string {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  const lines: string[] = []
  for (let at = 0; at < Math.min(bytes.length, most); at += 16) {
    const row = [...bytes.subarray(at, Math.min(at + 16, most))]
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    lines.push(`${String(at).padStart(5)}  ${hex}`)
  }
  if (bytes.length > most) lines.push(`       and ${bytes.length - most} bytes more`)
  return lines.join('\n')
}
