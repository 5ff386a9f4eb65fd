const wellFormed = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
/** Bytes that are made characters of in one call: engines take so many arguments. */
const CHUNK = 8192

/** Bytes as text in base64 (RFC 4648, with padding). */
export function toBase64(bytes: Uint8Array): string {
  let characters = ''
  for (let at = 0; at < bytes.length; at += CHUNK) {
    characters += String.fromCharCode(...bytes.subarray(at, at + CHUNK))
  }
  return btoa(characters)
}

/** Whether a text is base64. */
export function isBase64(text: string): boolean {
  return wellFormed.test(text)
}

/** The bytes that a text in base64 stands for. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
}
